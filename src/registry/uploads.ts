import type { HttpResponse } from "../base/index.ts";
import { type Descriptor, type Digest, digester, StoreError } from "../oci/index.ts";
import { type Ask, digestIn, find, repositoryName, told } from "./ask.ts";
import type { Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { chunkRange } from "./range.ts";
import type { Session } from "./sessions.ts";

const OCTETS = "application/octet-stream";

/**
 * POST /v2/NAME/blobs/uploads/: begins an upload, takes a whole blob (`?digest=`), or mounts one (`?mount=`)
 * (distribution-spec, "Pushing blobs").
 */
export async function beginUpload(ask: Ask): Promise<HttpResponse> {
  const { query } = ask.request;
  const mount = query.get("mount");
  if (mount !== null && (await mounted(ask, digestIn(mount), query.get("from")))) {
    return created(ask.name, digestIn(mount));
  }
  const digest = query.get("digest");
  if (digest !== null && mount === null) return await putWhole(ask, digestIn(digest));
  return progress(202, await ask.sessions.begin(ask.name, ask.call));
}

/** GET /v2/NAME/blobs/uploads/ID: how far it is. */
export async function uploadStatus({ sessions, name, reference }: Ask): Promise<HttpResponse> {
  return await sessions.use(name, reference, async (session) => progress(204, session));
}

/** PATCH /v2/NAME/blobs/uploads/ID: the next chunk, or all of it as a stream. */
export async function continueUpload(ask: Ask): Promise<HttpResponse> {
  return await ask.sessions.use(ask.name, ask.reference, async (session) => {
    await append(session, ask);
    return progress(202, session);
  });
}

/** PUT /v2/NAME/blobs/uploads/ID?digest=: the last bytes, if any, and what the whole must be. */
export async function finishUpload(ask: Ask): Promise<HttpResponse> {
  const digest = digestIn(ask.request.query.get("digest") ?? "");
  return await ask.sessions.use(ask.name, ask.reference, async (session) => {
    const length = ask.request.headers.get("content-length");
    // All of it in this one request: it goes straight to where it belongs.
    if (
      session.spool.size === 0 &&
      length !== undefined &&
      chunkRange(ask.request.headers.get("content-range")) === undefined
    ) {
      const answer = await putWhole(ask, digest);
      await ask.sessions.drop(session.id);
      return answer;
    }
    await append(session, ask);
    try {
      await keep(session, digest, ask);
    } finally {
      // Bytes that turned out to be another blob's are of no use to a second try.
      await ask.sessions.drop(session.id);
    }
    return created(ask.name, digest);
  });
}

/** Turns what came in into a blob. A sha256 is known by now; any other digest takes another reading. */
async function keep({ spool, hash }: Session, digest: Digest, { backing, name, call }: Ask): Promise<void> {
  const known = digest.startsWith("sha256:") ? hash?.digest() : undefined;
  if (known !== undefined && known !== digest) throw mismatch(known, digest);
  const repository = await backing.create(name, call);
  await repository.gate.shared(async () => {
    repository.recent.note(digest);
    if (known !== undefined && (await spool.adopt(repository, digest))) return;
    await repository.store.put({ mediaType: OCTETS, digest, size: spool.size }, spool, call);
  });
}

/** DELETE /v2/NAME/blobs/uploads/ID: forgets what came so far. */
export async function cancelUpload({ sessions, name, reference }: Ask): Promise<HttpResponse> {
  return await sessions.use(name, reference, async (session) => {
    await sessions.drop(session.id);
    return { status: 204, headers: {} };
  });
}

/** Adds the request's body to the spool. A chunk that does not follow the last one leaves it as it was. */
async function append(session: Session, { request }: Ask): Promise<void> {
  const { spool } = session;
  const range = chunkRange(request.headers.get("content-range"));
  if (range !== undefined && range.start !== spool.size) {
    throw new RegistryError("upload-range", `the upload stands at byte ${spool.size}, not ${range.start}`, {
      headers: standing(session),
    });
  }
  const before = spool.size;
  for await (const chunk of request.body) {
    await spool.append(chunk);
    session.hash?.update(chunk);
  }
  if (range !== undefined && spool.size !== range.end) {
    const found = spool.size - before;
    await spool.truncate(before);
    session.hash = undefined;
    throw new RegistryError("blob-invalid", `the chunk has ${found} bytes, not ${range.end - range.start}`);
  }
}

/** Takes a blob whose every byte is in this request's body. */
async function putWhole(ask: Ask, digest: Digest): Promise<HttpResponse> {
  const { request, call } = ask;
  const length = request.headers.get("content-length");
  if (length === undefined || !/^\d{1,15}$/.test(length)) {
    throw new RegistryError("blob-invalid", "a blob sent in one request needs a Content-Length", {
      hint: "or send it with POST, PATCH and PUT",
    });
  }
  const blob: Descriptor = { mediaType: OCTETS, digest, size: Number(length) };
  const { store, gate, recent } = await ask.backing.create(ask.name, call);
  // A client's bytes may take hours, and pass outside the gate. What is there already stays for the while of `recent`.
  const note = (): Promise<void> => gate.shared(async () => recent.note(digest));
  await note();
  let opened = false;
  const once = (offset: number): AsyncIterable<Uint8Array> => {
    if (opened || offset !== 0) throw new Error("the body of a request can be read only once");
    opened = true;
    return request.body;
  };
  await store.put(blob, { size: blob.size, open: once }, call);
  // A store that has the blob need not read it again; the client's claim is checked all the same.
  if (!opened) await verify(request.body, digest);
  await note();
  return created(ask.name, digest);
}

async function verify(body: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
  const hash = digester(digest);
  for await (const chunk of body) hash.update(chunk);
  const found = hash.digest();
  if (found !== digest) throw mismatch(found, digest);
}

function mismatch(found: Digest, wanted: Digest): StoreError {
  return new StoreError("digest-mismatch", `the content is ${found}, not ${wanted}`);
}

/** Makes the repository have a blob of another one (of any, where the client names none). */
async function mounted(ask: Ask, digest: Digest, from: string | null): Promise<boolean> {
  const { backing, call } = ask;
  const there = await backing.find(ask.name, call);
  if (there !== undefined && (await told(there, digest, call)) !== undefined) return true;
  for await (const name of from === null ? backing.names(call) : [repositoryName(from)]) {
    const source = await backing.find(name, call);
    const blob = source === undefined ? undefined : await find(source, digest, call);
    if (source === undefined || blob === undefined) continue;
    if (await link(await backing.create(ask.name, call), source, { ...blob, mediaType: OCTETS }, ask))
      return true;
  }
  return false;
}

/** False where the source lost it meanwhile: its gate is not ours to hold, two mounts could wait for each other. */
async function link(
  to: Repository,
  from: Repository,
  blob: Descriptor,
  { backing, call }: Ask,
): Promise<boolean> {
  return await to.gate.shared(async () => {
    to.recent.note(blob.digest);
    if (await backing.link(to, from, blob.digest)) return true;
    try {
      await to.store.put(blob, { size: blob.size, open: (at, c) => from.store.read(blob, c, at) }, call);
      return true;
    } catch (error) {
      if (error instanceof StoreError && error.code === "not-found") return false;
      throw error;
    }
  });
}

function created(name: string, digest: Digest): HttpResponse {
  return {
    status: 201,
    headers: { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest },
  };
}

function progress(status: number, session: Session): HttpResponse {
  return { status, headers: standing(session) };
}

function standing({ id, name, spool }: Session): Readonly<Record<string, string>> {
  return {
    location: `/v2/${name}/blobs/uploads/${id}`,
    // The spec has no way to say "nothing yet" but the range of one byte.
    range: `0-${Math.max(spool.size - 1, 0)}`,
    "docker-upload-uuid": id,
  };
}
