import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";

const root = join(import.meta.dirname, "../..");
const command: string = join(root, "bin/imgvol.cjs");

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

test("a build in somebody else's clone says so in a line", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-others-");
  await cp(join(root, "tools/installed.cjs"), join(folder.path, "tools/installed.cjs"));
  const typescript = join(folder.path, "node_modules/typescript/package.json");
  await mkdir(dirname(typescript), { recursive: true });
  await writeFile(typescript, "{}");
  await chmod(folder.path, 0o555);
  // Root may write anywhere.
  const user = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const build = spawnSync(process.execPath, ["tools/installed.cjs"], {
    cwd: folder.path,
    encoding: "utf8",
    ...user,
  });
  await chmod(folder.path, 0o755);
  assert.equal(build.status, 1);
  assert.match(build.stderr, /^error: \S+ is not yours to write to, .*\nhint: build it as its owner, .*\n$/);
});

test("a build before npm ci says what is missing, and nothing else", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-uninstalled-");
  await cp(join(root, "package.json"), join(folder.path, "package.json"));
  await cp(join(root, "tools"), join(folder.path, "tools"), { recursive: true });
  const build = spawnSync("npm", ["run", "--silent", "build"], { cwd: folder.path, encoding: "utf8" });
  assert.equal(build.status, 1);
  assert.equal(build.stdout, "");
  assert.match(
    build.stderr,
    /^error: what builds imgvol is not installed: \S+ has no node_modules\/typescript\nhint: run `npm ci --include=dev` there first\n$/,
  );
});
