import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** Bytes that came from the client, and that went to it. */
  readonly up: number;
  readonly down: number;
  readonly cuts: number;
}

/** Passes bytes between a client and a port of this machine, counts them, and cuts all connections when so many have passed. */
export async function cuttingProxy(target: number, cutsAt: readonly number[]): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const passed = { up: 0, down: 0 };
  let cuts = 0;
  const server = net.createServer((client) => {
    const registry = net.connect(target, "127.0.0.1");
    for (const [from, to, way] of [
      [client, registry, "up"],
      [registry, client, "down"],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        passed[way] += chunk.length;
        if (passed.up + passed.down >= (cutsAt[cuts] ?? Number.POSITIVE_INFINITY)) {
          cuts++;
          // One way or the other, in turn: a connection that ends, and one that breaks.
          for (const socket of sockets) {
            if (cuts % 2 === 0) socket.destroy();
            else socket.resetAndDestroy();
          }
        } else if (!to.write(chunk)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
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
    get up() {
      return passed.up;
    },
    get down() {
      return passed.down;
    },
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
