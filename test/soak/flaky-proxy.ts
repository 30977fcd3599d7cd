// A proxy between a client and a registry on this machine that misbehaves by a seed. It understands HTTP well enough to lie in
// it, and writes its answers as bytes, so that no library mends them.
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { Exchange, type Told } from "./flaky-exchange.ts";
import { faultFor } from "./flaky-faults.ts";
import { numbersFrom } from "./numbers.ts";

export interface FlakyProxy extends AsyncDisposable {
  readonly port: number;
  /** Begins a new series: from here the seed decides, and nothing was injected. */
  begin(seed: number, target: number): void;
  /** How often each kind of fault happened since. */
  readonly injected: ReadonlyMap<string, number>;
  /** The uploads since. */
  readonly told: Told;
}

/** @param rate the part of the requests that meet a fault */
export async function flakyProxy(rate: number): Promise<FlakyProxy> {
  let random = numbersFrom(0);
  let target = 0;
  const injected = new Map<string, number>();
  const told: Told = { asked: 0, heard: new Set(), deleted: new Set() };
  const sockets = new Set<Socket>();

  function inject(fault: string): void {
    injected.set(fault, (injected.get(fault) ?? 0) + 1);
  }

  const server = http.createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
    // From here on we write the bytes ourselves.
    response.detachSocket(request.socket);
    const exchange = new Exchange(request, target, random, told);
    const fault = random() < rate ? faultFor(request, random) : undefined;
    if (fault !== undefined) inject(fault.name);
    const work = fault === undefined ? exchange.pass() : fault.happen(exchange);
    // A client that goes away, or a registry that does: the connection ends, as it would without us.
    work.catch(() => exchange.cut());
  });
  server.keepAliveTimeout = 0;
  const front = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (random() < rate / 8) inject("accepted, then silent");
    else server.emit("connection", socket);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  return {
    port: (front.address() as AddressInfo).port,
    begin(seed, to) {
      random = numbersFrom(seed);
      target = to;
      injected.clear();
      told.asked = 0;
      told.heard.clear();
      told.deleted.clear();
    },
    injected,
    told,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      front.close();
      await once(front, "close");
    },
  };
}
