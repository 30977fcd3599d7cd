import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/registry/index.ts";
import { conform } from "../peers/conformance.ts";

// Not "sparse": its image lacks a layer, and an image that cannot be pulled is refused here (MANIFEST_BLOB_UNKNOWN).
const everything = {
  OCI_VERSION: "dev",
  OCI_API_BLOBS_UPLOAD_CANCEL: "true",
  OCI_API_BLOBS_DIGEST_HEADER: "true",
  OCI_API_MANIFESTS_DIGEST_HEADER: "true",
};

for (const place of ["memory", "a folder"]) {
  // The floor is the number of tests that the program had when this was written: a wrong setting runs fewer.
  for (const [version, env, floor] of [
    ["1.1", { OCI_VERSION: "1.1" }, 850],
    ["dev, with all that is optional", everything, 980],
  ] as const) {
    test(`the registry over ${place} passes the distribution-spec's conformance tests, version ${version}`, async (t) => {
      await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
      const where = place === "memory" ? {} : { dir: join(folder.path, "registry") };
      await using registry = await startRegistry({ host: "127.0.0.1", port: 0, ...where }, quietCall());
      const result = await conform(`127.0.0.1:${registry.port}`, env);
      t.diagnostic(JSON.stringify(result));
      assert.deepEqual(result.told, []);
      assert.deepEqual([result.failures, result.errors, result.skipped], [0, 0, 0]);
      assert.ok(result.tests >= floor, `only ${result.tests} tests ran`);
    });
  }
}
