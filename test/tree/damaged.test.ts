import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType } from "../../src/oci/index.ts";
import { memoryMedium, verified } from "../../src/store/index.ts";
import { mergeLayers } from "../../src/tree/index.ts";

const call = quietCall();

test("a layer that cannot be read is named, with what is wrong with it", async () => {
  const good = gzipSync(Buffer.alloc(100_000, "volume"));
  const bad = Buffer.from(good);
  bad.fill(0xff, 20, 60);
  for (const [digest, code, message, hint] of [
    [
      digestOf(good),
      "digest-mismatch",
      `the content is ${digestOf(bad)}, not ${digestOf(good)}`,
      /copy --force/,
    ],
    [
      digestOf(bad),
      "codec-corrupt",
      `memory: the layer ${digestOf(bad)}: the deflate data is damaged`,
      /packed again/,
    ],
  ] as const) {
    const medium = memoryMedium();
    const layer = { mediaType: MediaType.layerGzip, digest, size: bad.length };
    medium.adopt(layer, [bad]);
    await assert.rejects(mergeLayers(verified(medium), [layer], call), (error: Error & { hint?: string }) => {
      assert.equal("code" in error && error.code, code);
      assert.ok(error.message.includes(message), error.message);
      assert.match(error.hint ?? "", hint);
      return true;
    });
  }
});
