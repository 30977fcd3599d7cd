import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BaseError, type ByteSource, errno, printable } from "../base/index.ts";

const BLOCK = 1024 * 1024;
// A file that became a link or a pipe since it was listed must neither be followed nor waited for.
const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What the readers of one tree share: buffers, and turns of the event loop between synchronous calls. */
export class ReadingRoom {
  readonly #free: Buffer[] = [];
  #work = 0;

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < 4) this.#free.push(buffer);
  }

  /** Lets timers and sockets have their turn once enough synchronous work was done. */
  breathe(work: number): Promise<void> | undefined {
    this.#work += work;
    if (this.#work < 4 * BLOCK) return undefined;
    this.#work = 0;
    return nextTurn();
  }
}

/** The content of a file that was seen as `seen`, failing with `file-changed` where it is not that any more. */
export function fileBody(path: string, seen: Stats, room: ReadingRoom): ByteSource {
  return {
    size: seen.size,
    open: (offset, call) =>
      seen.size < BLOCK
        ? readWhole(path, seen, room, offset)
        : readAhead(path, seen, room, offset, call.signal),
  };
}

/**
 * Small files are read synchronously: the thread pool's round trips cost several times what the system calls do.
 * The end is found by asking for one byte too many, and one fstat afterwards shows any change.
 */
async function* readWhole(
  path: string,
  seen: Stats,
  room: ReadingRoom,
  offset: number,
): AsyncGenerator<Uint8Array> {
  if (offset >= seen.size) return;
  const buffer = room.take();
  try {
    let size = 0;
    const file = refuse(path, () => openSync(path, READ));
    try {
      for (let n = -1; n !== 0 && size <= seen.size; size += n) {
        n = refuse(path, () => readSync(file, buffer, size, seen.size + 1 - size, null));
      }
      if (size !== seen.size || !same(seen, fstatSync(file))) throw changed(path);
    } finally {
      closeSync(file);
    }
    yield buffer.subarray(offset, size);
  } finally {
    room.give(buffer);
  }
  await room.breathe(seen.size + 64 * 1024);
}

/** Large files: two blocks are being read while the consumer works on a third. */
async function* readAhead(
  path: string,
  seen: Stats,
  room: ReadingRoom,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const file = await open(path, READ).catch((error) => refuse(path, () => raise(error)));
  const buffers = [room.take(), room.take(), room.take()] as const;
  const flying: Promise<Uint8Array>[] = [];
  let asked = offset;
  const ask = (buffer: Buffer): void => {
    if (asked >= seen.size) return;
    const block = readBlock(file, buffer, asked, Math.min(BLOCK, seen.size - asked), path);
    block.catch(() => {}); // It is awaited later, or not at all where an earlier one failed.
    flying.push(block);
    asked += BLOCK;
  };
  try {
    if (!same(seen, await file.stat())) throw changed(path);
    ask(buffers[0]);
    ask(buffers[1]);
    for (let turn = 2; flying.length > 0; turn++) {
      signal.throwIfAborted();
      ask(buffers[turn % 3] ?? buffers[0]);
      const block = await flying[0];
      if (block) yield block;
      flying.shift();
    }
    if (!same(seen, await file.stat())) throw changed(path);
  } finally {
    await Promise.allSettled(flying);
    for (const buffer of buffers) room.give(buffer);
    await file.close();
  }
}

async function readBlock(
  file: FileHandle,
  buffer: Buffer,
  at: number,
  want: number,
  path: string,
): Promise<Uint8Array> {
  for (let have = 0; have < want; ) {
    const { bytesRead } = await file
      .read(buffer, have, want - have, at + have)
      .catch((error) => refuse(path, () => raise(error)));
    if (bytesRead === 0) throw changed(path);
    have += bytesRead;
  }
  return buffer.subarray(0, want);
}

function same(a: Stats, b: Stats): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ino === b.ino && a.dev === b.dev;
}

/** @throws BaseError `file-changed`, always useful: what is read is then not what was listed */
export function changed(path: string): BaseError {
  return new BaseError("file-changed", `changed while it was read: ${printable(path)}`, {
    hint: "run again when nothing writes to it",
  });
}

function raise(error: unknown): never {
  throw error;
}

/** Runs a system call on `path`, and turns its refusal into `file-changed` or `file-unreadable`. */
export function refuse<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const code = errno(error);
    if (code === undefined || error instanceof BaseError) throw error;
    if (
      code === "ENOENT" ||
      code === "ENOTDIR" ||
      code === "ELOOP" ||
      code === "EISDIR" ||
      code === "ENXIO"
    ) {
      throw changed(path);
    }
    throw new BaseError("file-unreadable", `cannot read ${printable(path)}: ${code}`, {
      hint:
        code === "EACCES" || code === "EPERM"
          ? "make it readable, or ignore it"
          : "ignore it to go on without",
      cause: error,
    });
  }
}
