import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { floors, overrides } from "../../tools/floors.ts";

const root = join(import.meta.dirname, "../..");

/** Lints one planted file in a tree of its own, under this repository's rules. */
async function lint(file: string, code: string): Promise<{ status: number | null; output: string }> {
  await using tree = await temporaryFolder(tmpdir(), "imgvol-floors-");
  mkdirSync(dirname(join(tree.path, file)), { recursive: true });
  cpSync(join(root, "biome.json"), join(tree.path, "biome.json"));
  writeFileSync(join(tree.path, file), code);
  const run = spawnSync(
    join(root, "node_modules/.bin/biome"),
    ["lint", "--error-on-warnings", "--vcs-enabled=false", file],
    { cwd: tree.path, encoding: "utf8" },
  );
  return { status: run.status, output: run.stdout + run.stderr };
}

test("biome.json holds the rules that the floors make", () => {
  const config = JSON.parse(readFileSync(join(root, "biome.json"), "utf8"));
  assert.deepEqual(config.overrides, overrides(), "run: node tools/floors.ts");
});

test("every folder of src is on a floor", () => {
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((f) => f.isDirectory());
  assert.deepEqual(folders.map((f) => f.name).sort(), floors.flat().toSorted());
});

const planted: readonly [file: string, imports: string, allowed: boolean][] = [
  ["src/tar/planted.ts", "../oci/index.ts", false], // upwards
  ["src/tar/planted.ts", "../codec/index.ts", false], // sideways
  ["src/base/planted.ts", "../cli/main.ts", false],
  ["src/volume/planted.ts", "../pack/index.ts", false],
  ["src/demo/planted.ts", "../cli/index.ts", false],
  ["src/store/planted.ts", "../base/files.ts", false], // past the index
  ["src/store/planted.ts", "../base/index.ts", true],
  ["src/store/planted.ts", "../remote/index.ts", false], // content knows no registry
  ["src/remote/planted.ts", "../copy/index.ts", false],
  ["src/copy/planted.ts", "../remote/index.ts", true],
  ["src/registry/planted.ts", "../remote/index.ts", false], // what a registry is knows no other registry
  ["src/registry/planted.ts", "../mirror/index.ts", false],
  ["src/mirror/planted.ts", "../registry/index.ts", true],
  ["src/mirror/planted.ts", "../registry/ask.ts", false],
  ["src/mirror/planted.ts", "../serve/index.ts", false], // tells its figures, and no metrics
  ["src/serve/planted.ts", "../mirror/index.ts", true],
  ["src/serve/planted.ts", "../volume/index.ts", false],
  ["src/cluster/planted.ts", "../native/index.ts", false], // what is shared knows no provider
  ["src/cluster/planted.ts", "../serve/index.ts", false],
  ["src/binaries/planted.ts", "../native/index.ts", false],
  ["src/kind/planted.ts", "../native/index.ts", false], // nor one provider the other
  ["src/native/planted.ts", "../kind/state.ts", false],
  ["src/native/planted.ts", "../binaries/versions.ts", false],
  ["src/native/planted.ts", "../binaries/index.ts", true],
  ["src/kind/planted.ts", "../cluster/index.ts", true],
  ["src/cli/planted.ts", "../demo/index.ts", true],
];

test("an import that breaks a floor fails the linter, and one that keeps them does not", async () => {
  for (const [file, from, allowed] of planted) {
    const { status, output } = await lint(
      file,
      `import { planted } from "${from}";\n\nconsole.log(planted);\n`,
    );
    const refused = output.includes("noRestrictedImports");
    assert.equal(refused, !allowed, `${file} imports ${from}:\n${output}`);
    assert.equal(status === 0, allowed, `${file} imports ${from}:\n${output}`);
  }
});
