import { type Call, discard, type Response } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  isDigest,
  isManifestLike,
  OciError,
  StoreError,
} from "../oci/index.ts";
import { damagedHint } from "../store/index.ts";
import { asUnreachable } from "./errors.ts";
import { acceptManifests } from "./manifests.ts";
import { HostPatience, isTransient } from "./patience.ts";
import type { RemoteRepository } from "./repository.ts";

/** What may be fetched for nothing, beyond as much as the content itself, where a registry knows no ranges. */
const AFFORDABLE = 16 * 1024 * 1024;

/**
 * A manifest's or blob's bytes from an offset on. A download that ends early is taken up where it ended: whether the
 * connection was cut, stopped moving, or the answer was shorter than the content.
 */
export async function* readRemote(
  at: RemoteRepository,
  d: Descriptor,
  from: number,
  call: Call,
): AsyncIterable<Uint8Array> {
  const patience = new HostPatience(at.host);
  // The next byte to get. Where none is left, whether the content is there is still to be told.
  let next = Math.max(0, Math.min(from, d.size - 1));
  let fetchedAgain = 0;
  let endedAt: number | undefined;
  for (;;) {
    try {
      const { response, start } = await openAt(at, d, next, patience, call);
      fetchedAgain += next - start;
      if (fetchedAgain > Math.max(AFFORDABLE, d.size)) {
        await discard(response);
        throw rangeless(at, d);
      }
      let here = start;
      for await (const chunk of response.body) {
        const begin = Math.max(next, from) - here;
        here += chunk.length;
        if (here <= next) continue;
        next = here;
        patience.reached(next);
        if (begin < chunk.length) yield begin === 0 ? chunk : chunk.subarray(begin);
      }
      if (next >= d.size) return;
      throw new EndsShort(at, d, next);
    } catch (error) {
      // What is wrong with an answer after its last byte is no matter.
      if (next >= d.size && next > from) return;
      // Ended early twice at one place, that is what the registry has.
      const transient = error instanceof EndsShort ? endedAt !== next : isTransient(error);
      if (error instanceof EndsShort) endedAt = next;
      await patience.afterFailure(error, call, transient).catch((last: unknown) => {
        throw asUnreachable(last, at.host);
      });
    }
  }
}

interface Opened {
  readonly response: Response;
  /** Where its body begins. */
  readonly start: number;
}

async function openAt(
  at: RemoteRepository,
  d: Descriptor,
  offset: number,
  patience: HostPatience,
  call: Call,
): Promise<Opened> {
  const manifest = isManifestLike(d.mediaType);
  const headers = {
    ...(manifest ? acceptManifests : {}),
    // With its end: some registries know no other form (go-containerregistry answers 416).
    ...(offset > 0 ? { range: `bytes=${offset}-${d.size - 1}` } : {}),
  };
  const path = `${manifest ? "manifests" : "blobs"}/${d.digest}`;
  // 416: the registry's copy ends before the offset.
  const response = await at.ask("GET", path, [200, 206, 416], call, { headers, patience });
  if (response.status === 200) return { response, start: 0 };
  if (response.status === 416) {
    await discard(response);
    throw new EndsShort(at, d, offset);
  }
  const range = response.headers.get("content-range");
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
  if (Number(start) === offset && (total === "*" || Number(total) === d.size)) {
    return { response, start: offset };
  }
  await discard(response);
  const asked = `asked for ${offset} and on of ${d.size} bytes, got ${range ?? "a part of unknown place"}`;
  throw new StoreError("registry-error", `${at.origin}: ${d.digest}: ${asked}`);
}

/** All that the registry gives is less than the content. */
class EndsShort extends StoreError {
  constructor(at: RemoteRepository, d: Descriptor, size: number) {
    super("size-mismatch", `${at.origin}: ${d.digest} ends after ${size} bytes of ${d.size}`, {
      hint: damagedHint(at.origin),
    });
  }
}

function rangeless(at: RemoteRepository, d: Descriptor): StoreError {
  const what = `${at.origin}: ${d.digest}: the connection breaks again and again, and the registry`;
  return new StoreError("registry-unreachable", `${what} sends a blob only from its start (no Range)`, {
    hint: "try again over a better connection",
  });
}

/** A blob of which only the digest is known: its size is the registry's word, until its bytes are read. */
export async function statBlob(at: RemoteRepository, digest: Digest, call: Call): Promise<Descriptor> {
  if (!isDigest(digest)) throw new OciError("digest-invalid", `not a digest: ${String(digest)}`);
  const response = await at.ask("HEAD", `blobs/${digest}`, [200], call);
  await discard(response);
  const length = response.headers.get("content-length") ?? "";
  if (/^\d{1,15}$/.test(length))
    return { mediaType: "application/octet-stream", digest, size: Number(length) };
  throw new StoreError("registry-error", `${at.origin}: the registry does not say how large ${digest} is`);
}
