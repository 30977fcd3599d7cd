import assert from "node:assert/strict";
import { after, test } from "node:test";
import { fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { codeOf, putImage, someBytes, storeContract } from "../contract/store.ts";
import { REGISTRIES } from "../peers/registries.ts";
import type { RunningRegistry } from "../peers/server.ts";
import { startOwnRegistry } from "./own-registry.ts";

// What every store must do, by every registry; and what ours shows of the others.

/** What the distribution-spec leaves open, and a registry does not do; each is asserted. */
const LACKS: Readonly<Record<string, ReadonlySet<"sha512" | "mount" | "untag" | "delete with tags">>> = {
  imgvol: new Set(),
  "docker-registry": new Set(["sha512", "untag", "delete with tags"]),
  distribution: new Set(["sha512"]),
  olareg: new Set(),
  "go-containerregistry": new Set(["sha512", "mount", "delete with tags"]),
};

const starts: Readonly<Record<string, () => Promise<RunningRegistry>>> = {
  imgvol: () => startOwnRegistry({ folder: true }),
  ...Object.fromEntries(REGISTRIES.map(({ name, start }) => [name, start])),
};
const running = new Map<string, Promise<RunningRegistry>>();
after(async () => {
  for (const registry of running.values()) await (await registry)[Symbol.asyncDispose]();
});

/** Started once, for all tests. */
function started(name: string): Promise<RunningRegistry> {
  const registry = running.get(name) ?? starts[name]?.() ?? assert.fail(name);
  running.set(name, registry);
  return registry;
}

let repositories = 0;
for (const name of Object.keys(starts)) {
  const lacks = LACKS[name] ?? assert.fail(name);
  storeContract(
    name,
    async () => {
      const { host } = await started(name);
      const network = new Network({ env: {} });
      const repository = `contract/of${repositories++}`;
      const store = openRemote({ registry: host, repository }, { network });
      const { delete: deletes, ...can } = store.can;
      return {
        store: {
          ...store,
          can: !lacks.has("delete with tags") && deletes ? { ...can, delete: deletes } : can,
        },
        async [Symbol.asyncDispose]() {
          network[Symbol.dispose]();
        },
      };
    },
    { sha512: !lacks.has("sha512") },
  );

  test(`${name}: a blob is mounted from another repository, and a manifest deleted`, async () => {
    const { host } = await started(name);
    using network = new Network({ env: {} });
    const from = openRemote({ registry: host, repository: "a/from" }, { network });
    const to = openRemote({ registry: host, repository: "b/to" }, { network });
    const call = quietCall();
    const d = await putImage(from, 1);
    await from.tag("v1", d, call);
    const layer = await from.ingest(MediaType.layerTar, fromBytes(someBytes(1000, 2)), call);
    const mounts = !lacks.has("mount");
    assert.equal(await to.can.mount?.mount(layer, from, call), mounts);
    if (mounts) assert.equal(await to.has(layer, call), true);
    const untagged = codeOf(Promise.resolve(from.can.delete?.untag("v1", call)));
    assert.equal(await untagged, lacks.has("untag") ? "unsupported" : "none");
    await from.can.delete?.delete(d, call);
    assert.equal(await codeOf(from.resolve(d.digest, call)), "not-found");
  });
}
