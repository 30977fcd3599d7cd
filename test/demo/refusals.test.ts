import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { imgvol } from "../cli/imgvol.ts";

test("what cannot be shown is refused before anything is made", async () => {
  const empty = await mkdtemp(join(tmpdir(), "imgvol-demo-test-"));
  try {
    const env = { PATH: empty, JAVA_HOME: "", TMPDIR: empty, IMGVOL_CACHE: join(empty, "cache") };
    const spring = await imgvol(["demo", "spring", "--once"], { env });
    assert.equal(spring.code, 3);
    assert.match(spring.stderr, /^error: the Spring Boot app cannot be built: there is no JDK/);
    assert.match(spring.stderr, /^hint: .*imgvol demo node$/m);
    const rails = await imgvol(["demo", "rails"], { env });
    assert.equal(rails.code, 2);
    assert.match(rails.stderr, /^hint: the demos are spring and node$/m);
    const node = await imgvol(["demo", "node", "--cluster", "--once"], { env });
    assert.equal(node.code, 2);
    assert.match(
      node.stderr,
      /^error: there is no demo node on a cluster\nhint: imgvol demo spring --cluster/,
    );
    assert.deepEqual(await readdir(empty), []);
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
});
