import { TarError } from "./errors.ts";
import { decodeBlock, decodeName, isBlank, type RawHeader } from "./fields.ts";
import { BLOCK } from "./layout.ts";
import { attributeNames, parseRecords } from "./pax.ts";

/** An entry as an archive states it. Nothing in it is to be trusted: see `cleanPath`. */
export interface TarHeader {
  /** As found, with the extended headers applied. */
  readonly path: string;
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  readonly type: "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  /** In bytes; 0 for all but files. */
  readonly size: number;
  /** Of links only. */
  readonly target?: string;
  /** The names of extended attributes; their values are not kept. */
  readonly xattrs?: readonly string[];
}

/** Receives entries: for each one `entry`, then `data` as often as there are bytes, then `end`. */
export interface TarSink {
  entry(header: TarHeader): void;
  /** The chunk is a view of what was written to the reader: to be used before returning. */
  data(chunk: Uint8Array): void;
  end(): void;
}

/** What the reader keeps in memory at most. */
export interface TarLimits {
  /** Bytes of one extended header or long name. */
  readonly extendedBytes: number;
  /** Bytes of a path or a link's target. */
  readonly pathBytes: number;
}

/** The limit of Go's archive/tar, which every runtime reads layers with, and Linux's PATH_MAX. */
const LIMITS: TarLimits = { extendedBytes: 1024 * 1024, pathBytes: 4096 };

const TYPES: Readonly<Record<string, TarHeader["type"]>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

/** Blocks whose contents are about the next entry: pax, Solaris' pax, pax global, GNU long link, GNU long name. */
const EXTENSIONS: ReadonlySet<string> = new Set(["x", "X", "g", "K", "L"]);

/**
 * A push parser of tar archives: v7, ustar, pax and GNU. Where dialects differ it reads as Go's archive/tar does, because
 * that is what containerd, CRI-O and podman will see: global pax headers change nothing, links and folders have no
 * contents whatever their size field says, and what follows the end mark is ignored.
 *
 * @throws TarError `tar-invalid`, `tar-truncated`, `tar-unsupported`, `tar-limit`, from `write` and `finish`; what
 * the sink throws comes through. After an error the reader is of no more use.
 */
export class TarReader {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  readonly #block: Buffer = Buffer.alloc(BLOCK);
  /** Bytes of `#block` that are there. */
  #filled = 0;
  #state: "header" | "data" | "extension" | "padding" | "ended" = "header";
  /** Bytes of the current state still to come. */
  #left = 0;
  /** Padding after the current contents. */
  #pad = 0;
  #blank = false;
  /** The extension being gathered, and what was gathered for the next entry. */
  #extension: { type: string; bytes: Buffer } | undefined;
  #records: ReadonlyMap<string, string> | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(sink: TarSink, limits: Partial<TarLimits> = {}) {
    this.#sink = sink;
    this.#limits = { ...LIMITS, ...limits };
  }

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length && this.#state !== "ended"; ) at += this.#step(bytes, at);
  }

  /** Whether the end mark came: whatever follows is ignored. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /**
   * Passes over the contents of the entry that was announced last, if none of them came yet: the sink gets `end` at once.
   * For archives on a disk, whose contents need not be read to find the next entry.
   * @returns how many bytes the caller leaves out before it writes on
   */
  skip(): number {
    if (this.#state !== "data") return 0;
    const left = this.#left + this.#pad;
    this.#left = this.#pad = 0;
    this.#advance();
    return left;
  }

  /** No more bytes will come. An archive may lack its end mark, but must not end within an entry. */
  finish(): void {
    const within = this.#state === "header" ? this.#filled > 0 || this.#announced() : this.#state !== "ended";
    if (within) throw new TarError("tar-truncated", "the tar archive ends in the middle of an entry");
  }

  #announced(): boolean {
    return this.#records !== undefined || this.#longName !== undefined || this.#longLink !== undefined;
  }

  /** Takes bytes of `bytes` from `at` on, and says how many: at least one. */
  #step(bytes: Buffer, at: number): number {
    const want = this.#state === "header" ? BLOCK - this.#filled : this.#left;
    const take = Math.min(want, bytes.length - at);
    const part = bytes.subarray(at, at + take);
    if (this.#state === "header") {
      part.copy(this.#block, this.#filled);
      this.#filled += take;
      if (this.#filled === BLOCK) this.#header();
      return take;
    }
    if (this.#state === "data") this.#sink.data(part);
    else if (this.#extension !== undefined && this.#state === "extension") {
      part.copy(this.#extension.bytes, this.#extension.bytes.length - this.#left);
    }
    this.#left -= take;
    if (this.#left === 0) this.#advance();
    return take;
  }

  /** The current state has all its bytes: on to the next. */
  #advance(): void {
    if (this.#state === "data") this.#sink.end();
    if (this.#state === "extension") this.#extended();
    if (this.#state !== "padding" && this.#pad > 0) {
      this.#state = "padding";
      this.#left = this.#pad;
      this.#pad = 0;
    } else {
      this.#state = "header";
      this.#filled = 0;
    }
  }

  #header(): void {
    this.#filled = 0;
    if (isBlank(this.#block)) {
      if (this.#announced()) throw new TarError("tar-invalid", "an extended header stands alone");
      if (this.#blank) this.#state = "ended";
      this.#blank = true;
      return;
    }
    if (this.#blank) throw new TarError("tar-invalid", "a lone block of zeros stands between entries");
    const raw = decodeBlock(this.#block);
    if (raw.size < 0) throw new TarError("tar-invalid", `${shown(raw.path)} has a negative size`);
    if (EXTENSIONS.has(raw.type)) this.#extend(raw);
    else this.#entry(raw);
  }

  #extend(raw: RawHeader): void {
    if (raw.size > this.#limits.extendedBytes) {
      throw new TarError(
        "tar-limit",
        `an extended header of ${raw.size} bytes: at most ${this.#limits.extendedBytes} are read`,
      );
    }
    this.#extension = { type: raw.type, bytes: Buffer.alloc(raw.size) };
    this.#contents("extension", raw.size);
  }

  #extended(): void {
    if (this.#extension === undefined) return;
    const { type, bytes } = this.#extension;
    this.#extension = undefined;
    if (type === "L") this.#longName = decodeName(bytes);
    else if (type === "K") this.#longLink = decodeName(bytes);
    else {
      const records = parseRecords(bytes);
      if (type !== "g") this.#records = records;
    }
  }

  #entry(raw: RawHeader): void {
    const records: ReadonlyMap<string, string> = this.#records ?? new Map();
    const path = this.#longName ?? stated(records, "path") ?? raw.path;
    const target = this.#longLink ?? stated(records, "linkpath") ?? raw.target;
    this.#records = this.#longName = this.#longLink = undefined;

    const type = raw.type === "\0" && path.endsWith("/") ? "dir" : TYPES[raw.type];
    const sparse = [...records.keys()].some((key) => key.startsWith("GNU.sparse."));
    if (type === undefined || sparse) throw unsupported(path, sparse ? "S" : raw.type);
    if (path === "") throw new TarError("tar-invalid", "an entry has no name");
    for (const name of [path, target]) {
      if (Buffer.byteLength(name) > this.#limits.pathBytes) {
        throw new TarError(
          "tar-limit",
          `a name is longer than ${this.#limits.pathBytes} bytes: ${shown(name)}`,
        );
      }
    }
    const link = type === "symlink" || type === "hardlink";
    const size = whole(records, "size", path) ?? raw.size;
    const xattrs = attributeNames(records);
    this.#sink.entry({
      path,
      mode: raw.mode,
      uid: whole(records, "uid", path) ?? raw.uid,
      gid: whole(records, "gid", path) ?? raw.gid,
      mtime: time(records, path) ?? raw.mtime,
      type,
      size: type === "file" ? size : 0,
      ...(link ? { target } : {}),
      ...(xattrs.length > 0 ? { xattrs } : {}),
    });
    this.#contents("data", type === "file" ? size : 0);
  }

  #contents(state: "data" | "extension", size: number): void {
    this.#state = state;
    this.#left = size;
    this.#pad = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#advance();
  }
}

/** A record's value; an empty one leaves the header's own, as in Go. */
function stated(records: ReadonlyMap<string, string>, key: string): string | undefined {
  return records.get(key) || undefined;
}

function whole(records: ReadonlyMap<string, string>, key: string, path: string): number | undefined {
  const text = stated(records, key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^[0-9]{1,16}$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new TarError("tar-invalid", `${shown(path)}: the extended header's ${key} is not a number`);
}

/** Seconds with an optional fraction, which is dropped downwards. */
function time(records: ReadonlyMap<string, string>, path: string): number | undefined {
  const text = stated(records, "mtime");
  if (text === undefined) return undefined;
  if (/^-?[0-9]{1,15}(?:\.[0-9]{0,30})?$/.test(text)) return Math.floor(Number(text));
  throw new TarError("tar-invalid", `${shown(path)}: the extended header's mtime is not a time`);
}

function unsupported(path: string, type: string): TarError {
  return type === "S"
    ? new TarError("tar-unsupported", `${shown(path)} is a sparse file, which image layers should not hold`, {
        hint: "make the archive without --sparse",
      })
    : new TarError("tar-unsupported", `${shown(path)} is of an unknown kind: type ${JSON.stringify(type)}`);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
