import assert from "node:assert/strict";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { codeOf, putImage } from "../contract/store.ts";
import { peer, refuse, reply } from "../remote/peer.ts";

const call = quietCall();

test("what a registry lost between our look and the manifest is sent again, once", async () => {
  await using source = memoryStore();
  const image = await putImage(source, 1);
  await source.tag("v1", image, call);
  for (const [sulks, code] of [
    [false, "none"],
    [true, "not-found"],
  ] as const) {
    const pushed = new Set<string>();
    let refused = 0;
    await using registry = await peer((seen, response) => {
      const url = new URL(seen.path, "http://x");
      const digest = url.searchParams.get("digest") ?? url.pathname.split("/").at(-1) ?? "";
      if (seen.method === "HEAD" && seen.path.includes("/manifests/")) return reply(response, 404);
      // It has everything, until its garbage is collected.
      if (seen.method === "HEAD") return reply(response, refused === 0 || pushed.has(digest) ? 200 : 404);
      if (seen.method === "POST") return reply(response, 202, { location: "/up" });
      if (seen.method === "PUT" && !seen.path.includes("/manifests/")) {
        pushed.add(digest);
        return reply(response, 201);
      }
      if (pushed.size > 1 && !sulks) return reply(response, 201);
      refused++;
      refuse(response, 404, "MANIFEST_BLOB_UNKNOWN");
    });
    await using destination = registry.open();
    assert.equal(await codeOf(copy(source, "v1", destination, "v1", {}, call)), code);
    assert.equal(pushed.size, 2);
    assert.equal(refused, sulks ? 4 : 2);
  }
});
