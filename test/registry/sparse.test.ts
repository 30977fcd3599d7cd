import assert from "node:assert/strict";
import { test } from "node:test";
import { MediaType } from "../../src/oci/index.ts";
import { exchange, manifestOf, openRegistry, PLACES, pushBlob, sha256 } from "./exchange.ts";

for (const place of PLACES) {
  for (const sparse of [false, true]) {
    test(`${place}: an image without its layer is ${sparse ? "taken by a sparse registry" : "refused"}`, async () => {
      await using registry = await openRegistry(place, { sparse });
      await pushBlob(registry, "a", "{}");
      const body = manifestOf("{}", ["missing"]);
      const put = { headers: { "content-type": MediaType.manifest }, body };
      const answer = await exchange(registry, "PUT", "/v2/a/manifests/v1", put);
      assert.equal(answer.status, sparse ? 201 : 400);
      assert.deepEqual(answer.errors, sparse ? [] : ["MANIFEST_BLOB_UNKNOWN"]);
      const got = await exchange(registry, "GET", "/v2/a/manifests/v1");
      assert.equal(got.status, sparse ? 200 : 404);
      // What is there must be what the manifest says, all the same.
      const wrong = body.replace('"size":2', '"size":3');
      const refused = await exchange(registry, "PUT", "/v2/a/manifests/v2", { ...put, body: wrong });
      assert.deepEqual([refused.status, refused.errors], [400, ["SIZE_INVALID"]]);
    });
  }

  for (const from of ["nobody", "Not a name", "", "../..", "a/../b"]) {
    test(`${place}: a mount from ${JSON.stringify(from)} begins an upload`, async () => {
      await using registry = await openRegistry(place);
      const digest = await pushBlob(registry, "a", "bytes");
      const target = `/v2/b/blobs/uploads/?mount=${digest}&from=${encodeURIComponent(from)}`;
      const { status, headers } = await exchange(registry, "POST", target);
      assert.equal(status, 202);
      assert.match(headers["location"] ?? "", /^\/v2\/b\/blobs\/uploads\/[0-9a-f-]{36}$/);
      assert.equal(
        (
          await exchange(registry, "PUT", `${headers["location"]}?digest=${sha256("bytes")}`, {
            body: "bytes",
          })
        ).status,
        201,
      );
    });
  }
}
