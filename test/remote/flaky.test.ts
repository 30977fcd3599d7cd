import assert from "node:assert/strict";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { flakyTransfers } from "../soak/flaky.ts";

test("images arrive whole over a network and servers that let us down in every way", async () => {
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const registries = [{ name: "ours", port: registry.port }];
  const { done, failed, faults } = await flakyTransfers({ count: 6, seed: 1, registries, rate: 0.2 });
  assert.equal(done, 6, JSON.stringify([...failed]));
  const injected = [...faults.values()].reduce((sum, fault) => sum + fault.injected, 0);
  assert.ok(injected >= 10, `only ${injected} faults`);
});
