import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";

const command: string = join(import.meta.dirname, "../../bin/imgvol.cjs");

test("where nothing is built the command says how to; where what is built is broken it says why", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-unbuilt-");
  const here = join(folder.path, "bin/imgvol.cjs");
  await cp(command, here);
  const run = (): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [here, "version"], { encoding: "utf8" });
  const unbuilt = run();
  assert.equal(unbuilt.status, 3);
  assert.match(
    unbuilt.stderr,
    /^error: imgvol is not built: \S+ has no dist\/\nhint: run `npm run build` there\n$/,
  );
  await mkdir(join(folder.path, "dist/cli"), { recursive: true });
  await writeFile(join(folder.path, "dist/cli/main.js"), "throw new Error('broken')");
  const broken = run();
  assert.equal(broken.status, 3);
  assert.match(broken.stderr, /^error: imgvol could not start: broken\n$/);
});
