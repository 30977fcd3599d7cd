import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreError } from "../../src/oci/index.ts";
import { changing } from "../../src/store/denied.ts";

/** What the system says of a path that may not be written. */
function refusal(path: string, code = "EACCES"): Error {
  return Object.assign(new Error(`${code}: permission denied, open '${path}'`), { code, path });
}

const cases: readonly (readonly [what: string, place: string, path: string, ours: boolean])[] = [
  ["a file in it", "/data/layout", "/data/layout/index.json", true],
  ["itself", "/data/image.tar", "/data/image.tar", true],
  ["a file in a folder written with a dot", "./layout", "layout/blobs/sha256/x", true],
  ["a file in a folder written with a slash", "layout/", "layout/index.json", true],
  ["a file in the root", "/", "/index.json", true],
  ["a file beside it whose name begins alike", "/data/layout", "/data/layout-source/secret", false],
  ["a file elsewhere", "layout", "source/secret", false],
];

for (const [what, place, path, ours] of cases) {
  test(`whose fault: ${what} is ${ours ? "the store's" : "not the store's"}`, async () => {
    const error = refusal(path);
    const failing = changing("oci:x", place, () => Promise.reject(error));
    if (ours) await assert.rejects(failing, { code: "denied", cause: error, hint: /who owns/ });
    else await assert.rejects(failing, error);
  });
}

test("what is already told as a store's error stays", async () => {
  const told = new StoreError("not-found", "x has no y");
  await assert.rejects(
    changing("oci:x", "/x", () => Promise.reject(told)),
    told,
  );
});
