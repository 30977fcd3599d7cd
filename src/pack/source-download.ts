import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  asDiskError,
  BaseError,
  type Call,
  collect,
  discard,
  isTemporary,
  isTemporaryFailure,
  makeFolder,
  type Network,
  Patience,
  type Pause,
  printable,
  type Response,
  requestFollowing,
  retryAfter,
} from "../base/index.ts";
import { SourceError } from "./source-errors.ts";
import { workspace } from "./source-workspace.ts";

/** Where a file is fetched from. */
export interface Origin {
  readonly url: URL;
  /** Credentials, for the URL's own origin only. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the process's. */
  readonly network?: Network | undefined;
}

/** What the bytes must hash to. */
export interface Checksum {
  readonly algorithm: "sha512" | "sha256" | "sha1";
  /** In lower-case hexadecimal. */
  readonly hex: string;
}

/** Larger than any agent. */
const LARGEST = 1024 * 1024 * 1024;
const ATTEMPTS = 4;

/**
 * A file by its checksum: from the cache, else downloaded into it. What is returned was hashed in this call.
 *
 * @param cache imgvol's cache folder
 * @throws SourceError `payload-missing`, `payload-denied`, `payload-unavailable`, `payload-mismatch`; BaseError
 */
export async function fetchFile(origin: Origin, sum: Checksum, cache: string, call: Call): Promise<string> {
  const folder = join(cache, "downloads", sum.algorithm);
  const path = join(folder, sum.hex);
  const cached = await hashFile(path, sum.algorithm, call);
  if (cached === sum.hex) return path;
  if (cached !== undefined) await rm(path, { force: true });
  await using work = await workspace(cache);
  const file = join(work.path, "download");
  const hex = await retried(origin, call, (response) => save(response, file, sum.algorithm, call));
  if (hex !== sum.hex) {
    throw new SourceError(
      "payload-mismatch",
      `${shown(origin.url)}: its ${sum.algorithm} is ${hex}, not ${sum.hex}`,
      {
        hint: "the file was changed on its way or at its home; try another repository",
      },
    );
  }
  // Not synced: the next reader hashes it again, so after a power cut a broken file is only downloaded again.
  await makeFolder(folder, 0o700);
  await rename(file, path);
  return path;
}

/** A small text, or undefined where there is none. */
export async function fetchText(origin: Origin, limit: number, call: Call): Promise<string | undefined> {
  try {
    const bytes = await retried(origin, call, (response) => collect(response.body, limit, shown(origin.url)));
    return Buffer.from(bytes).toString("utf8");
  } catch (error) {
    if (error instanceof SourceError && error.code === "payload-missing") return undefined;
    throw error;
  }
}

/** A file's bytes, in pieces that do not cost hundreds of small files a large buffer each. */
export function readChunks(path: string, call: Call): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: 64 * 1024, signal: call.signal });
}

/** A file's hash in hexadecimal; undefined where there is no such file. */
export async function hashFile(
  path: string,
  algorithm: Checksum["algorithm"],
  call: Call,
): Promise<string | undefined> {
  const hash = createHash(algorithm);
  try {
    for await (const chunk of readChunks(path, call)) hash.update(chunk);
  } catch (error) {
    call.signal.throwIfAborted();
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return hash.digest("hex");
}

/** Asks again, later each time and not before the server wants it, where the answer may be another one. */
async function retried<T>(origin: Origin, call: Call, read: (response: Response) => Promise<T>): Promise<T> {
  const patience = new Patience({ attempts: ATTEMPTS });
  for (;;) {
    try {
      return await read(await ask(origin, call));
    } catch (error) {
      const busy = error instanceof Busy ? error : undefined;
      if (busy === undefined && !isTemporaryFailure(error)) throw error;
      const onPause = ({ wait, asked }: Pause): void => {
        if (asked === undefined || wait < 2_000) return;
        call.progress?.say(`${origin.url.host} asks to wait ${Math.ceil(wait / 1000)} s`);
      };
      await patience.afterFailure(error, call, { asked: busy?.retryAfter, onPause });
    }
  }
}

/** A server that may well answer later. */
class Busy extends SourceError {
  /** What it asks to wait for, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(said: string, wait: number | undefined) {
    const when = wait === undefined ? "later" : `in ${Math.ceil(wait / 1000)} s`;
    super("payload-unavailable", said, { hint: `try again ${when}` });
    this.retryAfter = wait;
  }
}

async function ask({ url, headers, network }: Origin, call: Call): Promise<Response> {
  const response = await requestFollowing(
    { method: "GET", url, ...(headers ? { headers } : {}), network },
    call,
  );
  if (response.status === 200) return response;
  await discard(response);
  const { status } = response;
  const said = `${shown(url)} answered ${status}`;
  if (status === 404 || status === 410) throw new SourceError("payload-missing", said);
  if (status === 401 || status === 403) {
    throw new SourceError("payload-denied", said, {
      hint: "check the credentials in settings.xml or .npmrc, and the proxy",
    });
  }
  if (isTemporary(status)) throw new Busy(said, retryAfter(response.headers));
  throw new SourceError("payload-missing", said);
}

async function save(
  response: Response,
  path: string,
  algorithm: Checksum["algorithm"],
  call: Call,
): Promise<string> {
  const length = response.headers.get("content-length");
  const hash = createHash(algorithm);
  const task = call.progress?.start(
    printable(basename(response.url.pathname)),
    length === undefined ? undefined : Number(length),
  );
  let size = 0;
  try {
    await using file = await open(path, "w", 0o644);
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > LARGEST)
        throw new BaseError("too-large", `${shown(response.url)} is larger than ${LARGEST} bytes`);
      hash.update(chunk);
      await file.writeFile(chunk);
      task?.advance(chunk.length);
    }
  } catch (error) {
    task?.failed();
    throw asDiskError(error, path);
  }
  task?.done();
  return hash.digest("hex");
}

/** A URL for people: without a user, a password or a query, where secrets are found. */
export function shown(url: URL): string {
  return printable(`${url.origin}${url.pathname}`);
}
