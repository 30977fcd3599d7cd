import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { type ByteSource, collect, Network, quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType } from "../../src/oci/index.ts";
import { startRegistry } from "../../src/registry/index.ts";
import { openRemote } from "../../src/store/index.ts";

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface FlakyProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it has cut. */
  readonly cuts: number;
}

/** A TCP proxy to a port of this machine that cuts two connections in three, after a number of bytes that the seed decides. */
export async function flakyProxy(target: number, seed: number, longest: number): Promise<FlakyProxy> {
  const random = numbersFrom(seed);
  const sockets = new Set<net.Socket>();
  let cuts = 0;
  const server = net.createServer((client) => {
    const upstream = net.connect(target, "127.0.0.1");
    let left = random() < 2 / 3 ? Math.floor(random() ** 2 * longest) : Number.POSITIVE_INFINITY;
    const clean = random() < 0.5;
    const cut = (): void => {
      if (left !== Number.NEGATIVE_INFINITY) cuts++;
      left = Number.NEGATIVE_INFINITY;
      for (const socket of [client, upstream]) {
        if (clean) socket.destroy();
        else socket.resetAndDestroy();
      }
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        const part = chunk.subarray(0, Math.max(0, left));
        left -= chunk.length;
        if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        if (left < 0) cut();
      });
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Bytes by their seed, made anew at each opening and from any offset, in a buffer that is used again. */
export function generated(seed: number, size: number, sized: boolean): ByteSource {
  return {
    ...(sized ? { size } : {}),
    async *open(offset) {
      const buffer = Buffer.alloc(64 * 1024);
      for (let at = offset; at < size; ) {
        const end = Math.min(size, at - (at % buffer.length) + buffer.length);
        const part = buffer.subarray(0, end - at);
        for (let i = 0; i < part.length; i++) part[i] = Math.imul(at + i, seed | 1) >>> 13;
        yield part;
        at = end;
      }
    },
  };
}

export interface FlakyOptions {
  readonly count: number;
  readonly seed: number;
  /** About how many bytes each blob has. */
  readonly size: number;
  /** The registry's port on this machine. Default: one of ours, in memory. */
  readonly port?: number;
}

/**
 * Pushes and pulls blobs through proxies that cut connections; throws where one does not arrive whole.
 *
 * @returns how many connections were cut
 */
export async function flakyTransfers(options: FlakyOptions): Promise<number> {
  const call = quietCall();
  await using own =
    options.port === undefined ? await startRegistry({ host: "127.0.0.1", port: 0 }, call) : undefined;
  const port = options.port ?? own?.port ?? 0;
  let cuts = 0;
  for (let i = 0; i < options.count; i++) {
    const seed = options.seed + i;
    const size = Math.ceil(options.size * (0.5 + numbersFrom(seed)()));
    await using proxy = await flakyProxy(port, seed, options.size * 2);
    using network = new Network({ env: {} });
    const place = { registry: `127.0.0.1:${proxy.port}`, repository: `flaky/${i % 4}` };
    const retry = { attempts: 30, delay: 1 };
    await using store = openRemote(place, { network, retry, idleTimeout: 10_000 });
    const source = generated(seed, size, i % 3 === 0);
    const whole = await collect(source.open(0, call), size, "the source");
    const expected = { mediaType: MediaType.layerTar, digest: digestOf(whole), size };
    if (i % 2 === 0) assert.deepEqual(await store.ingest(expected.mediaType, source, call), expected);
    else await store.put(expected, source, call);
    assert.equal(Buffer.compare(await collect(store.read(expected, call), size, "the blob"), whole), 0);
    cuts += proxy.cuts;
  }
  return cuts;
}
