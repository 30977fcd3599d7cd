import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPlatform, hostPlatform, OciError, parsePlatform, platformScore } from "../../src/oci/index.ts";

test("platforms are read and written alike", () => {
  for (const text of ["linux/amd64", "linux/arm/v7", "windows/amd64"]) {
    assert.equal(formatPlatform(parsePlatform(text)), text);
  }
  for (const text of ["", "linux", "linux/", "/amd64", "linux/amd64/v2/x", "Linux/amd64", "linux/amd64/"]) {
    assert.throws(
      () => parsePlatform(text),
      (e: unknown) => e instanceof OciError && e.code === "platform-invalid",
      text,
    );
  }
  assert.equal(formatPlatform(hostPlatform("x64")), "linux/amd64");
  assert.equal(formatPlatform(hostPlatform("arm64")), "linux/arm64");
});

const scores: readonly [offered: string, wanted: string, score: number][] = [
  ["linux/amd64", "linux/amd64", 2],
  ["linux/arm64/v8", "linux/arm64", 2],
  ["linux/arm64", "linux/arm64/v8", 2],
  ["linux/arm", "linux/arm/v7", 1],
  ["linux/amd64/v3", "linux/amd64", 0],
  ["linux/amd64", "linux/amd64/v3", 1],
  ["linux/arm64", "linux/amd64", 0],
  ["windows/amd64", "linux/amd64", 0],
];

test("an index entry serves a node as containerd would have it", () => {
  for (const [offered, wanted, score] of scores) {
    assert.equal(
      platformScore(parsePlatform(offered), parsePlatform(wanted)),
      score,
      `${offered} for ${wanted}`,
    );
  }
});
