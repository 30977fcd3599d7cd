import { Refusal } from "../auth/index.ts";
import { type Call, collect, discard } from "../base/index.ts";
import {
  type Capabilities,
  type Descriptor,
  type Digest,
  isDigest,
  isManifestLike,
  isRepository,
  isTag,
  MANIFEST_LIMIT,
  OciError,
  type Store,
  StoreError,
} from "../oci/index.ts";
import { type Incoming, type Medium, verified } from "../store/index.ts";
import { hostFor, hostsFor } from "./hosts.ts";
import { HostsMedium } from "./hosts-medium.ts";
import { acceptManifests, putManifest, resolveRemote } from "./manifests.ts";
import type { RemoteOptions } from "./options.ts";
import type { Place } from "./places.ts";
import { readRemote, statBlob } from "./read.ts";
import { listReferrers } from "./referrers.ts";
import { RemoteRepository } from "./repository.ts";
import { RemoteSubjects } from "./subject.ts";
import { listTags } from "./tags.ts";
import { BlobUploads } from "./upload.ts";

/** A repository of a registry (OCI distribution-spec 1.1). Nothing is sent before it is used. */
export function openRemote(
  place: { readonly registry: string; readonly repository: string },
  options: RemoteOptions = {},
): Store {
  if (!isRepository(place.repository)) {
    throw new OciError("reference-invalid", `not a repository's name: ${JSON.stringify(place.repository)}`, {
      wrongUse: true,
    });
  }
  const itself = new RemoteRepository(hostFor(place.registry, options), place.repository);
  return verified(options.hosts === undefined ? new RemoteMedium(itself) : configured(place, options));
}

/** The repository wherever it is configured to be: files are read when it is used. */
function configured(
  { registry, repository }: { readonly registry: string; readonly repository: string },
  options: RemoteOptions,
): Medium {
  const open = async (): Promise<readonly Place[]> => {
    const at = (await hostsFor(registry, options)).map((host) => new RemoteRepository(host, repository));
    const pushed = at.find(({ host }) => host.endpoint.can.has("push"));
    if (pushed !== undefined) repositories.set(medium.can, pushed);
    return at.map((one) => ({
      registry: one.host.registry,
      medium: new RemoteMedium(one),
      can: one.host.endpoint.can,
    }));
  };
  const medium = new HostsMedium(`${registry}/${repository}`, open, options.tell);
  return medium;
}

/** Whose capabilities they are: a store is seen through its wrapper, but that passes them on. */
const repositories = new WeakMap<Capabilities, RemoteRepository>();

class RemoteMedium implements Medium {
  readonly origin: string;
  readonly can: Capabilities;
  readonly #at: RemoteRepository;
  readonly #uploads: BlobUploads;
  /** What the registry says it has, in another size. */
  readonly #damaged = new Set<Digest>();
  readonly #subjects: RemoteSubjects;
  /** What was pushed last: it is the one that is tagged next. */
  #last: { readonly digest: string; readonly bytes: Uint8Array } | undefined;

  constructor(at: RemoteRepository) {
    this.#at = at;
    this.origin = at.origin;
    this.#uploads = new BlobUploads(at, this.#damaged);
    this.#subjects = new RemoteSubjects(at);
    this.can = {
      tags: { list: (call) => listTags(at, call) },
      delete: {
        untag: async (name, call) => await this.#delete(`manifests/${nameOf(name)}`, call),
        delete: (d, call) =>
          this.#subjects.deleting(
            d,
            () => verified(this).read(d, call),
            () => this.#delete(pathOf(d), call),
            call,
          ),
      },
      referrers: {
        referrers: (subject, call, type) => listReferrers(at, subject, type, call),
        enlist: (subject, d, call) => this.#subjects.enlist(subject, d, call),
      },
      mount: { mount: (d, from, call) => this.#mount(d, from, call) },
      stat: { blob: (digest, call) => statBlob(at, digest, call) },
    };
    repositories.set(this.can, at);
  }

  async resolve(tagOrDigest: string, call: Call): Promise<Descriptor> {
    return await resolveRemote(this.#at, nameOf(tagOrDigest), call);
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    const response = await this.#at.ask("HEAD", pathOf(d), [200, 404], call, { headers: acceptManifests });
    await discard(response);
    if (response.status !== 200) return false;
    // Cut or overwritten where it lies. Some say nothing, or 0, to a HEAD.
    const size = Number(response.headers.get("content-length") ?? 0);
    if (size === 0 || size === d.size) return true;
    this.#damaged.add(d.digest);
    return false;
  }

  open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    return readRemote(this.#at, d, from, call);
  }

  async write(content: Incoming, call: Call): Promise<void> {
    if (!isManifestLike(content.mediaType)) {
      await this.#uploads.upload(content, call);
      return await this.#confirm(content.expected, call);
    }
    const bytes = await collect(content.source.open(0, call), MANIFEST_LIMIT, `${this.origin}: the manifest`);
    const d = content.seal();
    const told = await putManifest(this.#at, d.digest, d, bytes, call);
    await this.#subjects.pushed(d, bytes, told.get("oci-subject"), call);
    await this.#mended(d, call);
    this.#last = { digest: d.digest, bytes };
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    const bytes =
      this.#last?.digest === d.digest
        ? this.#last.bytes
        : await collect(verified(this).read(d, call), MANIFEST_LIMIT, `${this.origin}: the manifest`);
    if (!d.digest.startsWith("sha256:")) {
      // Under a tag alone a registry would give it a sha256 digest; the spec after 1.1 has a way to say both.
      const told = await putManifest(this.#at, `${d.digest}?tag=${name}`, d, bytes, call);
      if (told.get("oci-tag") !== undefined) return;
    }
    await putManifest(this.#at, name, d, bytes, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#last = undefined;
    await this.#uploads.close();
  }

  /** A registry that knows sha256 alone may take other content with a 201, and not find it again. */
  async #confirm(expected: Descriptor | undefined, call: Call): Promise<void> {
    if (expected === undefined) return;
    await this.#mended(expected, call);
    if (expected.digest.startsWith("sha256:")) return;
    if (await this.has(expected, call)) return;
    throw new StoreError(
      "unsupported",
      `${this.origin}: the registry took ${expected.digest}, and lacks it`,
      {
        hint: "it seems to know no other digests than sha256",
      },
    );
  }

  /** Some take all bytes with a 201, and keep what lay there: CNCF distribution does. What they said of its size is no proof. */
  async #mended(d: Descriptor, call: Call): Promise<void> {
    if (!this.#damaged.delete(d.digest)) return;
    try {
      for await (const _chunk of verified(this).read(d, call)) call.signal.throwIfAborted();
    } catch (cause) {
      const wrong = cause instanceof StoreError && /^(?:digest|size)-mismatch$/.test(cause.code);
      if (!wrong) throw cause;
      throw new StoreError(
        "upload-failed",
        `${this.origin}: the registry took ${d.digest}, and still gives what was damaged there`,
        {
          hint: "it keeps what it has by a digest: have its operator delete that file in its storage, and copy again",
          cause,
        },
      );
    }
  }

  async #mount(d: Descriptor, from: Store, call: Call): Promise<boolean> {
    const source = repositories.get(from.can);
    if (source === undefined || source.host.registry !== this.#at.host.registry) return false;
    return this.#uploads.mount(d.digest, source.name, call);
  }

  async #delete(path: string, call: Call): Promise<void> {
    try {
      await discard(await this.#at.ask("DELETE", path, [202, 200, 204], call));
    } catch (error) {
      // A registry of before distribution-spec 1.1 takes a tag here for a malformed digest.
      const refused = error instanceof Refusal ? error : undefined;
      const unsupported =
        refused?.status === 405 ||
        refused?.codes.some((code) => code === "UNSUPPORTED" || code === "DIGEST_INVALID");
      if (!unsupported) throw error;
      throw new StoreError(
        "unsupported",
        `${this.origin}: the registry cannot delete ${path.replace(/^(manifest|blob)s\//, "$1 ")}`,
        {
          hint: "some only delete by digest, others have to be configured to allow it",
          cause: error,
        },
      );
    }
  }
}

/** A name that can be part of a path: anything else would ask for something else. */
function nameOf(tagOrDigest: string): string {
  if (isDigest(tagOrDigest) || isTag(tagOrDigest)) return tagOrDigest;
  throw new OciError("reference-invalid", `not a tag or digest: ${JSON.stringify(tagOrDigest)}`, {
    wrongUse: true,
  });
}

function pathOf(d: Descriptor): string {
  if (!isDigest(d.digest)) throw new OciError("digest-invalid", `not a digest: ${String(d.digest)}`);
  return `${isManifestLike(d.mediaType) ? "manifests" : "blobs"}/${d.digest}`;
}
