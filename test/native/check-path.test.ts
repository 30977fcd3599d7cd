import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPath } from "../../src/native/check-path.ts";

const LONGEST = `/${"a".repeat(66)}`;

for (const path of ["/root/.local/state/imgvol/clusters/imgvol", "/mnt/a+b@c-1_2%/x~", LONGEST]) {
  test(`a cluster can be kept in ${path}`, () => checkPath(path));
}

for (const [path, told] of [
  ["/home/a b/imgvol", /has " " in it/],
  ["/home/a:b/imgvol", /has ":" in it/],
  ["/home/a,b/imgvol", /has "," in it/],
  ["/home/ä/imgvol", /has "ä" in it/],
  [`${LONGEST}a`, /is too long for sockets: over 67 bytes/],
] as const) {
  test(`none can in ${path}`, () => {
    assert.throws(() => checkPath(path), { code: "path-unusable", message: told, wrongUse: true });
  });
}
