import assert from "node:assert/strict";
import { test } from "node:test";
import { flakyTransfers } from "../soak/flaky.ts";

test("blobs arrive whole through connections that are cut at any byte", async () => {
  // Above 16 MiB known content is sent in pieces, too.
  const cuts =
    (await flakyTransfers({ count: 12, seed: 1, size: 1_000_000 })) +
    (await flakyTransfers({ count: 2, seed: 100, size: 20_000_000 }));
  assert.ok(cuts >= 10, `only ${cuts} connections were cut`);
});
