// The least that a client of a registry can do, so that a benchmark times the registry: a socket, one buffer, nothing kept.
import { createCipheriv, createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const MIB = 1024 ** 2;

/** Bytes that no other blob has: eight that count, and then the same block of random ones over and over. */
export class Blob {
  readonly size: number;
  readonly digest: string;
  readonly #first: Buffer;
  static #made = BigInt(Date.now()) << 20n;
  static readonly #block: Buffer = createCipheriv(
    "aes-128-ctr",
    Buffer.alloc(16, 1),
    Buffer.alloc(16, 2),
  ).update(Buffer.alloc(MIB));

  constructor(size: number) {
    this.size = size;
    this.#first = Buffer.from(Blob.#block);
    this.#first.writeBigUInt64LE(++Blob.#made);
    const hash: Hash = createHash("sha256");
    for (const part of this.parts()) hash.update(part);
    this.digest = `sha256:${hash.digest("hex")}`;
  }

  *parts(): Generator<Buffer> {
    for (let at = 0; at < this.size; at += MIB) {
      yield (at === 0 ? this.#first : Blob.#block).subarray(0, Math.min(MIB, this.size - at));
    }
  }
}

/** Sends a blob in one PUT. */
export async function put(host: string, repository: string, blob: Blob): Promise<void> {
  const location = await begin(host, repository);
  const to = `${location}${location.includes("?") ? "&" : "?"}digest=${blob.digest}`;
  await expect(201, host, "PUT", to, { "Content-Length": String(blob.size) }, blob.parts());
}

/** Sends a blob as one stream of unknown length and closes it by a PUT, as `docker push` does. */
export async function patch(host: string, repository: string, blob: Blob): Promise<void> {
  const began = await begin(host, repository);
  const chunks = function* (): Generator<Buffer> {
    for (const part of blob.parts()) {
      yield Buffer.from(`${part.length.toString(16)}\r\n`);
      yield part;
      yield Buffer.from("\r\n");
    }
    yield Buffer.from("0\r\n\r\n");
  };
  const location = await expect(202, host, "PATCH", began, { "Transfer-Encoding": "chunked" }, chunks());
  const to = `${location}${location.includes("?") ? "&" : "?"}digest=${blob.digest}`;
  await expect(201, host, "PUT", to, { "Content-Length": "0" }, []);
}

/** Fetches a blob, and throws its bytes away. */
export async function get(host: string, repository: string, { digest, size }: Blob): Promise<void> {
  const { status, received } = await exchange(host, "GET", `/v2/${repository}/blobs/${digest}`, {}, []);
  if (status !== 200 || received !== size) throw new Error(`GET: ${status}, ${received} of ${size} bytes`);
}

async function begin(host: string, repository: string): Promise<string> {
  return await expect(202, host, "POST", `/v2/${repository}/blobs/uploads/`, { "Content-Length": "0" }, []);
}

/** @returns where to go on */
async function expect(
  wanted: number,
  host: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Iterable<Buffer>,
): Promise<string> {
  const { status, head } = await exchange(host, method, path, headers, body);
  if (status !== wanted) throw new Error(`${method} ${path}: ${status}, not ${wanted}\n${head}`);
  const location = /^location: *(\S+)/im.exec(head)?.[1] ?? "";
  return location.replace(/^https?:\/\/[^/]+/, "");
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly received: number;
}

async function exchange(
  host: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Iterable<Buffer>,
): Promise<Answer> {
  const [name = "", port = ""] = host.split(":");
  const reader = new Reader();
  const socket = connect({
    host: name,
    port: Number(port),
    noDelay: true,
    onread: { buffer: Buffer.allocUnsafe(MIB), callback: (count, buffer) => reader.take(count, buffer) },
  });
  // Told where it is met: by the write, or by the answer that is not whole.
  socket.on("error", () => {});
  try {
    await once(socket, "connect");
    const fields = Object.entries({ Host: host, Connection: "close", ...headers }).map(
      ([k, v]) => `${k}: ${v}\r\n`,
    );
    await write(socket, Buffer.from(`${method} ${path} HTTP/1.1\r\n${fields.join("")}\r\n`));
    for (const part of body) await write(socket, part);
    await Promise.race([reader.done, once(socket, "close")]);
    return reader.answer();
  } finally {
    socket.destroy();
  }
}

function write(socket: Socket, part: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(part, (error) => (error ? reject(error) : resolve()));
  });
}

/** Reads an answer's head, and counts the bytes behind it. */
class Reader {
  readonly done: Promise<void>;
  #finish: () => void = () => {};
  #head = "";
  #length = Number.POSITIVE_INFINITY;
  #received = 0;

  constructor() {
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  take(count: number, buffer: Uint8Array): boolean {
    let body = count;
    if (!this.#head.endsWith("\r\n\r\n")) {
      const text = Buffer.from(buffer.subarray(0, count)).toString("latin1");
      const end = (this.#head + text).indexOf("\r\n\r\n");
      const before = this.#head.length;
      this.#head = end < 0 ? this.#head + text : (this.#head + text).slice(0, end + 4);
      if (end < 0) return true;
      body = count - (this.#head.length - before);
      this.#length = Number(/^content-length: *(\d+)/im.exec(this.#head)?.[1] ?? Number.POSITIVE_INFINITY);
      if (/^HTTP\/1\.1 (?:204|304)/.test(this.#head)) this.#length = 0;
    }
    this.#received += body;
    if (this.#received >= this.#length) this.#finish();
    return true;
  }

  answer(): Answer {
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.#head)?.[1] ?? 0);
    return { status, head: this.#head, received: this.#received };
  }
}
