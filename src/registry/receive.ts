import type { Call, HttpRequest } from "../base/index.ts";
import { type Digest, digester, StoreError } from "../oci/index.ts";
import type { Ask } from "./ask.ts";
import { RegistryError } from "./errors.ts";
import { chunkRange } from "./range.ts";
import type { Session } from "./sessions.ts";
import { within } from "./within.ts";

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
async function keep(session: Session, digest: Digest, ask: Ask): Promise<void> {
  const { spool } = session;
  // The client may go away while we read: then nothing is lost, and it may come back.
  const found = await digestOf(session, digest, ask.call);
  try {
    if (found !== digest) throw mismatch(found, digest);
    await spool.flush();
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

/**
 * Adds a body that was to bring all that is missing, and keeps the whole. Where it broke off and nothing came before it, nothing of it
 * stays: who sends all of it in one request sends all of it again.
 */
export async function finish(
  session: Session,
  digest: Digest,
  ask: Ask,
  standing: Readonly<Record<string, string>>,
): Promise<void> {
  const { spool } = session;
  const { request } = ask;
  const before = spool.size;
  const whole = before === 0 && announced(request) !== undefined && !request.headers.has("content-range");
  try {
    await append(session, ask, standing);
  } catch (error) {
    if (whole) {
      await spool.truncate(0);
      session.hash = digester();
    }
    throw error;
  }
  await keep(session, digest, ask);
}

function mismatch(found: Digest, wanted: Digest): StoreError {
  return new StoreError("digest-mismatch", `the content is ${found}, not ${wanted}`);
}
