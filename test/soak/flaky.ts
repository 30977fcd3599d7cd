// Images over a network and servers that let clients down, by a seed. Whatever happens: nothing corrupt, an end, and an error
// that says what it is. See flaky-faults.ts for what happens.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Call,
  fromBytes,
  ImgvolError,
  Network,
  quietCall,
  temporaryFolder,
} from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { checkLayout, checkRepository, stillOpen } from "./flaky-check.ts";
import { type FlakyProxy, flakyProxy } from "./flaky-proxy.ts";
import type { FlakyRegistry } from "./flaky-registries.ts";
import { generated, numbersFrom } from "./numbers.ts";

export { numbersFrom } from "./numbers.ts";

export interface FlakyOptions {
  readonly count: number;
  readonly seed: number;
  /** Taken in turn. */
  readonly registries: readonly FlakyRegistry[];
  /** The part of the requests that meet a fault. Default 0.2. */
  readonly rate?: number;
}

export interface FlakyReport {
  readonly done: number;
  /** Transfers that ended with an error, by its code. */
  readonly failed: ReadonlyMap<string, number>;
  /** By kind of fault: how often it happened, and how often in a transfer that succeeded in spite of it. */
  readonly faults: ReadonlyMap<string, { readonly injected: number; readonly survived: number }>;
  /** Uploads that registries still keep: the answer that would have told of them was lost. */
  readonly left: number;
}

/** The longest that one transfer may take, in milliseconds: anything longer hangs. */
const HANGS = 120_000;
const IDLE = 400;

/** Pushes, packs and pulls images; throws where one is corrupt, hangs, or ends with an error that has no code. */
export async function flakyTransfers(options: FlakyOptions): Promise<FlakyReport> {
  await using proxy = await flakyProxy(options.rate ?? 0.2);
  const faults = new Map<string, { injected: number; survived: number }>();
  const failed = new Map<string, number>();
  let done = 0;
  let unheard = 0;
  for (let i = 0; i < options.count; i++) {
    const registry = options.registries[i % options.registries.length];
    assert.ok(registry !== undefined);
    const code = await transfer(proxy, registry, i, options.seed + i);
    if (code === undefined) done++;
    else failed.set(code, (failed.get(code) ?? 0) + 1);
    if (!registry.keepsDeleted) unheard += proxy.told.asked - proxy.told.heard.size;
    for (const [name, times] of proxy.injected) {
      const { injected, survived } = faults.get(name) ?? { injected: 0, survived: 0 };
      const through = code === undefined ? times : 0;
      faults.set(name, { injected: injected + times, survived: survived + through });
    }
  }
  // Nobody can end an upload of which only the registry knows.
  let left = 0;
  for (const registry of options.registries) {
    if (!registry.keepsDeleted) left += (await registry.unfinished?.())?.length ?? 0;
  }
  if (failed.size === 0) assert.ok(left <= unheard, `${left} uploads are left, of ${unheard} never heard of`);
  return { done, failed, faults, left };
}

/** The figures as lines. */
export function tellFlaky({ done, failed, faults, left }: FlakyReport): string[] {
  const errors = [...failed].map(([code, n]) => `${n} ${code}`).join(", ");
  const ended = [...failed.values()].reduce((sum, n) => sum + n, 0);
  return [
    `${done} done, ${ended} ended with a coded error${errors === "" ? "" : ` (${errors})`}; none corrupt`,
    `no upload left open that the client had heard of; ${left} that it had not`,
    ...[...faults]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { injected, survived }]) => `${name}: ${injected} times, ${survived} survived`),
  ];
}

/** One image, one way; gives the code of the error it ended with. */
async function transfer(
  proxy: FlakyProxy,
  registry: FlakyRegistry,
  number: number,
  seed: number,
): Promise<string | undefined> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-flaky-");
  using network = new Network({ env: {} });
  const retry = { attempts: 8, delay: 5, longest: 2_000 };
  const options: RemoteOptions = { network, retry, idleTimeout: IDLE };
  const repository = `flaky/t${seed}`;
  const near = { registry: `127.0.0.1:${registry.port}`, repository };
  const far = { registry: `127.0.0.1:${proxy.port}`, repository };
  const way = WAYS[number % WAYS.length] ?? push;
  const signal = AbortSignal.timeout(HANGS);
  const job: Job = { near, far, options, folder: folder.path, seed, large: number % 10 === 9 };
  let code: string | undefined;
  let arrived: Arrived | undefined;
  try {
    arrived = await way(job, { signal }, () => proxy.begin(seed, registry.port));
  } catch (error) {
    const what = `${way.name} ${seed} over ${registry.name}`;
    if (signal.aborted) throw new Error(`${what} hangs`, { cause: error });
    if (!(error instanceof ImgvolError))
      throw new Error(`${what}: an error without a code`, { cause: error });
    code = error.code;
    const corrupt = code === "digest-mismatch" || code === "file-changed";
    if (corrupt) throw new Error(`${what}: good bytes were called bad`, { cause: error });
  }
  // What the client gave up must be whole or absent, too; what it was told of must not be left open.
  if (arrived === undefined || arrived.in === "registry")
    await checkRepository(registry, repository, arrived?.digest);
  if (arrived === undefined || arrived.in === "layout") {
    await checkLayout(join(folder.path, "pulled"), arrived?.digest);
  }
  if (code === undefined) {
    assert.deepEqual(await stillOpen(registry, proxy.told), [], `${way.name} ${seed} left uploads open`);
  }
  return code;
}

interface Job {
  /** The registry itself, and through the proxy. */
  readonly near: Place;
  readonly far: Place;
  readonly options: RemoteOptions;
  readonly folder: string;
  readonly seed: number;
  /** So large that known content, too, is sent in a way that can be continued. */
  readonly large: boolean;
}

interface Place {
  readonly registry: string;
  readonly repository: string;
}

interface Arrived {
  readonly in: "registry" | "layout";
  readonly digest: string;
}

type Way = (job: Job, call: Call, begin: () => void) => Promise<Arrived>;

/** From a layout into the registry: every digest is known. */
const push: Way = async (job, call, begin) => {
  await using source = await openLayout(join(job.folder, "source"), { create: true }, call);
  await image(source, job, quietCall());
  await using destination = openRemote(job.far, job.options);
  begin();
  const { digest } = await copy(source, "v", destination, "v", {}, call);
  return { in: "registry", digest };
};

/** Made while it is sent: no digest is known before its last byte. */
const pack: Way = async (job, call, begin) => {
  await using destination = openRemote(job.far, job.options);
  begin();
  const { digest } = await image(destination, job, call);
  return { in: "registry", digest };
};

const pull: Way = async (job, call, begin) => {
  await using near = openRemote(job.near, job.options);
  await image(near, job, quietCall());
  await using source = openRemote(job.far, job.options);
  await using destination = await openLayout(join(job.folder, "pulled"), { create: true }, call);
  begin();
  const { digest } = await copy(source, "v", destination, "v", {}, call);
  return { in: "layout", digest };
};

const WAYS: readonly Way[] = [push, pack, pull];

/** An index over one image of two layers, tagged `v`. */
async function image(store: Store, { seed, large }: Job, call: Call): Promise<Descriptor> {
  const random = numbersFrom(seed);
  const layers: Descriptor[] = [];
  for (const most of [large ? 18_000_000 : 1_500_000, 200_000]) {
    const size = most > 10_000_000 ? most : 1 + Math.floor(random() * most);
    const source = generated(Math.floor(random() * 1e9), size, random() < 0.5);
    layers.push(await store.ingest(MediaType.layerTar, source, call));
  }
  const [first = ""] = layers.map((d) => d.digest);
  const config = await put(
    store,
    MediaType.config,
    { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: layers.map((d) => d.digest) } },
    call,
  );
  const manifest = await put(
    store,
    MediaType.manifest,
    { schemaVersion: 2, mediaType: MediaType.manifest, config, layers, annotations: { first } },
    call,
  );
  const platform = { architecture: "amd64", os: "linux" };
  const index = await put(
    store,
    MediaType.index,
    { schemaVersion: 2, mediaType: MediaType.index, manifests: [{ ...manifest, platform }] },
    call,
  );
  await store.tag("v", index, call);
  return index;
}

async function put(store: Store, mediaType: string, json: unknown, call: Call): Promise<Descriptor> {
  return await store.ingest(mediaType, fromBytes(Buffer.from(JSON.stringify(json))), call);
}
