import type { Call, HttpRequest } from "../base/index.ts";
import { type Descriptor, type Digest, digester, StoreError } from "../oci/index.ts";
import { type Ask, told, within } from "./ask.ts";
import { RegistryError } from "./errors.ts";
import { chunkRange } from "./range.ts";
import type { Session } from "./sessions.ts";

const OCTETS = "application/octet-stream";
/** How often a stream without end is weighed against the free disk. */
const WEIGHED = 64 * 1024 * 1024;

/** The length that a request announces for its body; undefined for a stream. */
export function announced({ headers }: HttpRequest): number | undefined {
  const length = headers.get("content-length");
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/**
 * Adds the request's body to an upload. What came in before an error stays; a chunk that does not follow the last one, or is
 * not as long as it says, leaves the upload as it was.
 *
 * @throws RegistryError `upload-range`, `blob-invalid`, `uploads-exhausted`, `disk-low`
 */
export async function append(
  session: Session,
  { request, sessions }: Ask,
  standing: Readonly<Record<string, string>>,
): Promise<void> {
  const { spool } = session;
  const range = chunkRange(request.headers.get("content-range"));
  if (range !== undefined && range.start !== spool.size) {
    throw new RegistryError("upload-range", `the upload stands at byte ${spool.size}, not ${range.start}`, {
      headers: standing,
    });
  }
  const before = spool.size;
  sessions.checkBytes(announced(request) ?? 0);
  await sessions.checkRoom(announced(request) ?? 0);
  for await (const chunk of request.body) {
    sessions.checkBytes(chunk.length);
    if (spool.size % WEIGHED >= WEIGHED - chunk.length) await sessions.checkRoom(WEIGHED);
    const written = spool.append(chunk);
    // While the disk takes it.
    session.hash?.update(chunk);
    await written.catch((error: unknown) => {
      session.hash = undefined;
      throw error;
    });
  }
  if (range !== undefined && spool.size !== range.end) {
    const found = spool.size - before;
    await spool.truncate(before);
    session.hash = undefined;
    throw new RegistryError("blob-invalid", `the chunk has ${found} bytes, not ${range.end - range.start}`);
  }
}

/** Turns what came in into a blob, and ends the upload. @throws StoreError `digest-mismatch` */
export async function keep(session: Session, digest: Digest, ask: Ask): Promise<void> {
  const { spool } = session;
  // The client may go away while we read: then nothing is lost, and it may come back.
  const found = await digestOf(session, digest, ask.call);
  try {
    if (found !== digest) throw mismatch(found, digest);
    await within(ask, async (repository) => {
      const adopted = await repository.gate.shared(async () => {
        repository.recent.note(digest);
        return await spool.adopt(repository, digest);
      });
      // A copy takes its time: outside the gate, where nobody waits for it.
      if (adopted) return;
      await repository.store.put({ mediaType: OCTETS, digest, size: spool.size }, spool, ask.call);
    });
  } finally {
    // Bytes that turned out to be another blob's are of no use to a second try.
    await ask.sessions.drop(session.id);
  }
}

/** The hash that ran along, or another reading: for another algorithm, and where it did not see all the bytes. */
async function digestOf(session: Session, like: Digest, call: Call): Promise<Digest> {
  const { hash, spool } = session;
  if (hash !== undefined && like.startsWith("sha256:")) {
    session.hash = undefined;
    return hash.digest();
  }
  const anew = digester(like);
  for await (const chunk of spool.open(0, call)) anew.update(chunk);
  return anew.digest();
}

/** Takes a blob whose every byte is in this request's body. @throws RegistryError `blob-invalid` */
export async function receiveWhole(ask: Ask, digest: Digest): Promise<void> {
  const { request, sessions, call } = ask;
  const size = announced(request);
  if (size === undefined) {
    throw new RegistryError("blob-invalid", "a blob sent in one request needs a Content-Length", {
      hint: "or send it with POST, PATCH and PUT",
    });
  }
  using _counted = sessions.pass(size);
  await sessions.checkRoom(size);
  await within(ask, async (repository) => {
    const { store, gate, recent } = repository;
    // A client's bytes may take hours, and pass outside the gate. What is there already stays for the while of `recent`.
    await told(repository, digest, call);
    let opened = false;
    const once = (offset: number): AsyncIterable<Uint8Array> => {
      if (opened || offset !== 0) throw new Error("the body of a request can be read only once");
      opened = true;
      return request.body;
    };
    const blob: Descriptor = { mediaType: OCTETS, digest, size };
    await store.put(blob, { size, open: once }, call);
    // A store that has the blob need not read it again; the client's claim is checked all the same.
    if (!opened) await verify(request.body, digest);
    await gate.shared(async () => recent.note(digest));
  });
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
