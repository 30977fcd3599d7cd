import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, fromBytes, Network } from "../../src/base/index.ts";
import { type Mirror, openMirror } from "../../src/mirror/mirror.ts";
import type { Descriptor } from "../../src/oci/index.ts";
import { type Backing, folderBacking, Gate } from "../../src/registry/index.ts";
import { layerOf, someBytes } from "../contract/store.ts";
import { call, folder, watched } from "./watched.ts";

/** Reads through the mirror, as a request does. */
async function read(mirror: Mirror, name: string, d: Descriptor): Promise<Buffer> {
  const repository = await mirror.find(name, call);
  assert.ok(repository !== undefined);
  return Buffer.from(await collect(repository.store.read(d, call), d.size, name));
}

/** A backing in which a removal halts in the middle, until somebody looks for what is going. */
async function halting(
  backing: Backing,
  name: string,
): Promise<{ backing: Backing; removing: Promise<void> }> {
  const repository = await backing.find(name, call);
  assert.ok(repository !== undefined);
  const { gate, store } = repository;
  const [removing, looked, removed] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  assert.ok(removing !== undefined && looked !== undefined && removed !== undefined);
  gate.shared = (work) => {
    looked.resolve();
    return Gate.prototype.shared.call(gate, work) as ReturnType<typeof work>;
  };
  const deletes = store.can.delete;
  assert.ok(deletes !== undefined);
  const slow: typeof repository = {
    ...repository,
    store: {
      ...store,
      has: (d, c) => {
        looked.resolve();
        return store.has(d, c);
      },
      async *read(d, c, from) {
        await removed.promise;
        yield* store.read(d, c, from);
      },
      can: {
        ...store.can,
        delete: {
          ...deletes,
          async delete(d, c) {
            removing.resolve();
            await looked.promise;
            await deletes.delete(d, c);
            removed.resolve();
          },
        },
      },
    },
  };
  return { backing: { ...backing, find: async () => slow }, removing: removing.promise };
}

test("what a mirror is just taking away is not relied on: it is fetched again", async () => {
  await using at = await folder();
  await using upstream = await watched();
  using network = new Network({ env: {} });
  const [old, next] = [someBytes(200_000, 1), someBytes(200_000, 2)];
  for (const bytes of [old, next]) await upstream.open("a/b").put(layerOf(bytes), fromBytes(bytes), call);
  const options = { upstreams: [upstream.host], cacheSize: 300_000, remote: { network } };
  const name = `${upstream.host.replace(":", "_")}/a/b`;
  await using local = await folderBacking(at.dir);
  {
    await using mirror = await openMirror(local, options, at.dir);
    await read(mirror, name, layerOf(old));
  }
  const { backing, removing } = await halting(local, name);
  await using mirror = await openMirror(backing, options, at.dir);
  const making = read(mirror, name, layerOf(next));
  await removing;
  assert.ok((await read(mirror, name, layerOf(old))).equals(old));
  assert.ok((await making).equals(next));
  assert.equal(upstream.asked.filter((line) => line.startsWith("GET")).length, 3);
});
