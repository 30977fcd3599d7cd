// A large blob through a connection that is cut five times: what has arrived is not sent again. Over ours and CNCF distribution 3:
// version 2 forgets an upload that is cut (the state in its Location is of before), so there nothing but beginning again is left.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Network, quietCall } from "../../src/base/index.ts";
import { type Descriptor, MediaType } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { startDistribution } from "../peers/distribution.ts";
import { type CuttingProxy, cuttingProxy } from "./cutting-proxy.ts";
import { ownRegistry } from "./flaky-registries.ts";
import { generated } from "./numbers.ts";

const CUTS = 5;
/** How much may pass the wire, of what there is. */
const MOST = 1.2;

export interface CutFigure {
  readonly what: string;
  readonly bytes: number;
  /** Of what was sent the other way, headers and all. */
  readonly wire: number;
}

/** Up and down, by every registry, of known digest, of known size and of none. @throws where more than 1.2 times the bytes pass */
export async function cutTransfers(bytes: number, seed: number): Promise<CutFigure[]> {
  await using own = await ownRegistry();
  await using distribution = await startDistribution();
  const figures: CutFigure[] = [];
  for (const registry of [
    own,
    { name: "distribution 3", port: Number(distribution.host.split(":").at(-1)) },
  ]) {
    for (const [i, what] of ["upload of known digest", "upload of known size", "upload"].entries()) {
      const number = seed + i;
      const source = generated(number, bytes, i < 2);
      const known = i === 0 ? await described(number, bytes) : undefined;
      let stored = known;
      const proxy = await through(registry, bytes, async (store, call) => {
        if (known !== undefined) await store.put(known, source, call);
        else stored = await store.ingest(MediaType.layerTar, source, call);
      });
      assert.deepEqual(stored, await described(number, bytes));
      assert.equal(await hashAt(registry.port, stored?.digest ?? ""), stored?.digest);
      figures.push({ what: `${what} to ${registry.name}`, bytes, wire: proxy.up });
    }
    const d = await described(seed, bytes);
    const down = await through(registry, bytes, async (store, call) => {
      for await (const _ of store.read(d, call));
    });
    figures.push({ what: `download from ${registry.name}`, bytes, wire: down.down });
  }
  const most = figures.filter(({ wire }) => wire > bytes * MOST);
  assert.deepEqual(most, [], "bytes were sent again");
  return figures;
}

/** The figures as lines. */
export function tellCuts(figures: readonly CutFigure[]): string[] {
  const mib = (n: number): string => (n / 1024 ** 2).toFixed(1);
  return figures.map(
    ({ what, bytes, wire }) =>
      `${what}: ${mib(wire)} MiB on the wire for ${mib(bytes)} MiB, cut ${CUTS} times (${(wire / bytes).toFixed(3)})`,
  );
}

async function through(
  registry: { readonly port: number },
  bytes: number,
  work: (store: ReturnType<typeof openRemote>, call: ReturnType<typeof quietCall>) => Promise<void>,
): Promise<CuttingProxy> {
  const cutsAt = Array.from({ length: CUTS }, (_, i) => Math.floor((bytes * (i + 1)) / (CUTS + 1)));
  await using proxy = await cuttingProxy(registry.port, cutsAt);
  using network = new Network({ env: {} });
  const place = { registry: `127.0.0.1:${proxy.port}`, repository: "cut/blob" };
  await using store = openRemote(place, { network, retry: { delay: 10 } });
  await work(store, quietCall(AbortSignal.timeout(300_000)));
  assert.equal(proxy.cuts, CUTS);
  return proxy;
}

/** What a registry has, asked without a proxy. */
async function hashAt(port: number, digest: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v2/cut/blob/blobs/${digest}`);
  assert.ok(response.status === 200 && response.body !== null);
  const hash = createHash("sha256");
  for await (const chunk of response.body) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

async function described(seed: number, size: number): Promise<Descriptor> {
  const hash = createHash("sha256");
  for await (const chunk of generated(seed, size, true).open(0, quietCall())) hash.update(chunk);
  return { mediaType: MediaType.layerTar, digest: `sha256:${hash.digest("hex")}`, size };
}
