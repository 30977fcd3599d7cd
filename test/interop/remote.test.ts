import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { openRemote } from "../../src/store/index.ts";
import { codeOf, putImage, someBytes, storeContract } from "../contract/store.ts";
import { startDockerRegistry } from "../peers/docker-registry.ts";
import { flakyTransfers } from "../soak/flaky.ts";

// The registry that most of the world runs: it knows neither sha512 nor the deletion of a tag.
storeContract(
  "docker-registry",
  async () => {
    const registry = await startDockerRegistry();
    const network = new Network({ env: {} });
    const store = openRemote({ registry: registry.host, repository: "team/volume" }, { network });
    const { delete: _, ...can } = store.can;
    return {
      store: { ...store, can },
      async [Symbol.asyncDispose]() {
        network[Symbol.dispose]();
        await registry[Symbol.asyncDispose]();
      },
    };
  },
  { sha512: false },
);

test("docker-registry: blobs through connections that are cut, mounts, and a tag that cannot be deleted", async () => {
  await using registry = await startDockerRegistry();
  const port = Number(registry.host.split(":").at(-1));
  assert.ok((await flakyTransfers({ count: 20, seed: 5, size: 2_000_000, port })) >= 10);
  using network = new Network({ env: {} });
  const options = { network };
  const from = openRemote({ registry: registry.host, repository: "a/from" }, options);
  const to = openRemote({ registry: registry.host, repository: "b/to" }, options);
  const call = quietCall();
  const d = await putImage(from, 1);
  await from.tag("v1", d, call);
  const layer = await from.ingest(MediaType.layerTar, fromBytes(someBytes(1000, 2)), call);
  assert.equal(await to.can.mount?.mount(layer, from, call), true);
  assert.equal(await to.has(layer, call), true);
  assert.equal(await codeOf(Promise.resolve(from.can.delete?.untag("v1", call))), "unsupported");
  await from.can.delete?.delete(d, call);
  assert.equal(await codeOf(from.resolve("v1", call)), "not-found");
});
