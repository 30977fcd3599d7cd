import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { collect, type HttpHandler, quietCall, serve, temporaryFolder } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { parseReference } from "../../src/oci/index.ts";
import { memoryBacking, registryHandler } from "../../src/registry/index.ts";
import { resolveManifest } from "../../src/store/index.ts";
import { openCache } from "../../src/volume/index.ts";
import { putImage, tarOf } from "./images.ts";

// Processes of the operating system, not promises of one: the locks, the renames and the sweep are for them.
const call = quietCall();
const USER = fileURLToPath(new URL("./cache-user.ts", import.meta.url));
const NAMES = ["one", "two", "three"];
const CONTENT = randomBytes(1 << 20).toString("hex");

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/**
 * Lets processes race for one volume of a registry, which gives its layer to nobody before all have asked for the image.
 * @param cut the first to get the layer gets half of it, and is killed
 */
async function race(cache: string, cut: boolean): Promise<{ pulls: number; ended: Map<string, Ended> }> {
  const backing = memoryBacking();
  await using registry = registryHandler(backing);
  const processes = new Map<string, ChildProcess>();
  const asked = new Set<string>();
  const all = Promise.withResolvers<void>();
  let layer = "to be packed";
  let pulls = 0;
  const handle: HttpHandler = async (request) => {
    const name = request.headers.get("user-agent") ?? "";
    if (request.path.includes("/manifests/") && processes.has(name)) asked.add(name);
    if (asked.size === NAMES.length) all.resolve();
    const answer = await registry.handle(request);
    if (request.method !== "GET" || !request.path.endsWith(layer) || answer.body === undefined) return answer;
    pulls++;
    await all.promise;
    if (!cut || pulls > 1) return answer;
    const body = Symbol.asyncIterator in answer.body ? answer.body : [answer.body];
    const whole = await collect(each(body), 1 << 30, "the layer");
    return { ...answer, body: half(whole, () => void processes.get(name)?.kill("SIGKILL")) };
  };
  await using server = await serve(handle, { host: "127.0.0.1", port: 0, grace: 0 });
  const reference = `127.0.0.1:${server.port}/volume:v`;
  await using store = await openStore(parseReference(reference), {}, call);
  await putImage(store, "v", [tarOf([{ path: "f", body: CONTENT }])]);
  const { manifest } = await resolveManifest(store, "v", call);
  layer = manifest.layers[0]?.digest ?? layer;

  const ended = NAMES.map(async (name): Promise<[string, Ended]> => {
    const child = spawn(process.execPath, [USER, name, reference, cache], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    processes.set(name, child);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    const [code] = await once(child, "close");
    return [name, { code, said }];
  });
  return { ended: new Map(await Promise.all(ended)), pulls };
}

async function* each(parts: AsyncIterable<Uint8Array> | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function* half(whole: Uint8Array, then: () => void): AsyncGenerator<Uint8Array> {
  yield whole.subarray(0, whole.length / 2);
  then();
  // Never the rest: this answer's reader is dead.
  throw new Error("cut");
}

test("processes that race for one volume pull it once, and all have it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-test-");
  const cache = await openCache(join(folder.path, "cache"));
  const { pulls, ended } = await race(cache.path, false);
  for (const [name, { code, said }] of ended) assert.ok(code === 0 && said === CONTENT, `${name}: ${code}`);
  assert.equal(pulls, 1);
  assert.deepEqual(await readdir(join(cache.path, "tmp")), []);
  assert.equal((await cache.prune({ all: true }, call)).removed.length, 1, "no lock is left held");
});

test("the process that pulls is killed: another pulls again, all others have the volume, nothing is left", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-test-");
  const cache = await openCache(join(folder.path, "cache"));
  const { pulls, ended } = await race(cache.path, true);
  const results = [...ended.values()];
  assert.deepEqual(results.map(({ code }) => code).sort(), [0, 0, null]);
  for (const { code, said } of results) assert.ok(said === (code === 0 ? CONTENT : ""));
  assert.equal(pulls, 2);
  assert.deepEqual(await readdir(join(cache.path, "tmp")), []);
  assert.deepEqual(
    (await cache.verify(call)).flatMap((v) => v.findings),
    [],
  );
  assert.equal((await cache.prune({ all: true }, call)).removed.length, 1, "no lock is left held");
});
