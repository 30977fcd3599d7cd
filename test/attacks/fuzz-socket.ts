import { connect } from "node:net";

/** An answer as it came over the wire; `status` 0 where the connection ended without one. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const NONE: RawAnswer = { status: 0, headers: new Map(), body: Buffer.alloc(0) };

/**
 * Sends bytes as they are over a connection of their own, and takes the first answer.
 *
 * @param ends whether our side then says that nothing more comes
 * @throws where it hangs
 */
export async function sendRaw(
  port: number,
  bytes: Uint8Array,
  ends: boolean,
  patience = 20_000,
): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  const socket = connect({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end after ${patience} ms`));
    }, patience);
    socket.on("data", (chunk) => chunks.push(chunk));
    // A server that has said why it refuses may reset the connection over what we still send.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    if (ends) socket.end(bytes);
    else socket.write(bytes);
  });
  return parsed(Buffer.concat(chunks));
}

function parsed(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return NONE;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? Number.NaN);
  // An upload may be told to go on before the answer.
  if (status === 100) return parsed(bytes.subarray(end + 4));
  const rest = bytes.subarray(end + 4);
  const chunked = headers.get("transfer-encoding") === "chunked";
  const length = Number(headers.get("content-length") ?? rest.length);
  return { status, headers, body: chunked ? unchunked(rest) : rest.subarray(0, length) };
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (line < 0 || !(size > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** Random numbers that a seed repeats (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Below `n`, from 0. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  one<T>(first: T, ...more: readonly T[]): T {
    return more[this.below(more.length + 1) - 1] ?? first;
  }

  chance(of: number): boolean {
    return this.below(of) === 0;
  }

  /** Up to `most` characters, of an alphabet. */
  text(most: number, alphabet = "aZ09-_./:%@?&=+~!*' \"\\{}[]<>;,|^`é…😀\u0000\u0007"): string {
    const all = [...alphabet];
    return Array.from({ length: this.below(most + 1) }, () => all[this.below(all.length)]).join("");
  }
}
