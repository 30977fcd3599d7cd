import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { nodeRelease } from "../peers/node.ts";
import { programOf, type Ran, type RunOptions, run } from "../peers/program.ts";
import { type Installed, installed, nodes } from "./installed.ts";

// What npm publishes, installed under another prefix and used in an empty folder.

const checkout: string = join(import.meta.dirname, "../..");
const MEBIBYTE = 1024 * 1024;

let imgvol: Installed;
let programs: ReadonlyMap<string, string>;
let exported: readonly string[];
before(async () => {
  [imgvol, programs] = await Promise.all([installed(), nodes()]);
  const { exports } = JSON.parse(await readFile(join(checkout, "package.json"), "utf8"));
  exported = Object.keys(exports).filter((name) => !name.endsWith(".json"));
});
after(() => imgvol[Symbol.asyncDispose]());

let folders = 0;

/** A new folder with nothing in it, beside what was installed. */
async function emptyFolder(): Promise<string> {
  const path = join(imgvol.prefix, `folder-${folders++}`);
  await mkdir(path);
  return path;
}

const byNode = (node: string, args: readonly string[], options: RunOptions): Promise<Ran> =>
  run(node, [imgvol.program, ...args], options);

test("it is small: at most 60 packages and 40 MiB", async (t) => {
  const { packages } = JSON.parse(
    await readFile(join(imgvol.prefix, "node_modules/.package-lock.json"), "utf8"),
  );
  const { stdout } = await run("du", ["-sb", join(imgvol.prefix, "node_modules")]);
  const bytes = Number.parseInt(stdout, 10);
  t.diagnostic(`${Object.keys(packages).length} packages, ${(bytes / MEBIBYTE).toFixed(1)} MiB`);
  assert.ok(Object.keys(packages).length <= 60);
  assert.ok(bytes > 0 && bytes <= 40 * MEBIBYTE);
});

test("it holds what it runs on, and no more", async () => {
  const home = join(imgvol.prefix, "node_modules/imgvol");
  const top = await readdir(home);
  for (const name of [
    "LICENSE",
    "NOTICE",
    "README.md",
    "CHANGELOG.md",
    "package.json",
    "bin",
    "dist",
    "examples",
  ])
    assert.ok(top.includes(name), name);
  const all = await readdir(home, { recursive: true });
  assert.deepEqual(
    all.filter((path) => /(^|\/)(test|bench|\.cache|src|tools)$/.test(path) && !path.startsWith("examples/")),
    [],
  );
  assert.deepEqual(
    all.filter((path) => /^dist\/.*\.(ts|tsbuildinfo|map)$/.test(path) && !path.endsWith(".d.ts")),
    [],
  );
});

test("the command runs in an empty folder: version, help, pack, ls, cat, copy, presets", async () => {
  const command = join(imgvol.prefix, "node_modules/.bin/imgvol");
  for (const [version, node] of programs) {
    const cwd = await emptyFolder();
    const told = await byNode(node, ["version", "--json"], { cwd });
    assert.equal(JSON.parse(told.stdout).node, version === "22.18" ? "22.18.0" : version);
    assert.match((await run(command, ["--help"], { cwd })).stdout, /imgvol pack \.\/agent/);
    await mkdir(join(cwd, "agent/deep"), { recursive: true });
    await writeFile(join(cwd, "agent/deep/file"), "from the tarball");
    const { stdout } = await byNode(node, ["pack", "agent", "-t", "oci:layout:v1"], { cwd });
    assert.match(stdout, /^oci:layout@sha256:[0-9a-f]{64}\n$/);
    assert.match((await byNode(node, ["ls", "oci:layout:v1"], { cwd })).stdout, /deep\/file/);
    const file = await byNode(node, ["cat", "oci:layout:v1", "deep/file"], { cwd });
    assert.equal(file.stdout, "from the tarball");
    await byNode(node, ["copy", "oci:layout:v1", "oci:other:v1"], { cwd });
    assert.match((await byNode(node, ["presets", "otel-node"], { cwd })).stdout, /NODE_OPTIONS/);
    // Nothing is left beside what was asked for.
    assert.deepEqual((await readdir(cwd)).sort(), ["agent", "layout", "other"]);
  }
});

test("every export of the package is importable, and does nothing by being imported", async () => {
  const cwd = join(imgvol.prefix);
  for (const node of programs.values()) {
    for (const name of exported) {
      const script = `import * as it from "imgvol/${name.slice(2)}"; console.log(Object.keys(it).length);`;
      const { stdout, stderr } = await run(node, ["--input-type=module", "--eval", script], { cwd });
      assert.ok(Number(stdout) > 0, `${name}: ${stdout}`);
      assert.doesNotMatch(stderr, /Error/, name);
    }
  }
});

test("what is not exported stays inside", async () => {
  for (const name of ["imgvol", "imgvol/cli", "imgvol/dist/cli/main.js", "imgvol/tar"]) {
    const script = `await import("${name}").then(() => console.log("in"), (e) => console.log(e.code));`;
    const args = ["--input-type=module", "--eval", script];
    const { stdout } = await run(process.execPath, args, { cwd: imgvol.prefix });
    assert.equal(stdout, "ERR_PACKAGE_PATH_NOT_EXPORTED\n", name);
  }
});

test("the types of every export are sound for a strict consumer", async () => {
  const cwd = await emptyFolder();
  await writeFile(join(cwd, "package.json"), JSON.stringify({ type: "module" }));
  const imports = exported.map((name, at) => `import * as a${at} from "imgvol/${name.slice(2)}";`);
  const used = exported.map((_, at) => `a${at}`).join(", ");
  const program = `
import { quietCall } from "imgvol/base";
import { pack, type Packed } from "imgvol/pack";
import { memoryStore } from "imgvol/store";
export const all: object[] = [${used}];
export const packed: Packed = await pack([{ path: "agent" }], memoryStore(), { tag: "v1" }, quietCall());
export const digest: \`\${string}:\${string}\` = packed.digest;
// @ts-expect-error: a pack without a store is no pack
await pack([{ path: "agent" }]);
`;
  await writeFile(join(cwd, "consumer.ts"), imports.join("\n") + program);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: "es2023",
    // Our own declarations are checked too.
    skipLibCheck: false,
    lib: ["ES2024", "ESNext.Disposable"],
    module: "nodenext",
    types: ["node"],
    typeRoots: [join(checkout, "node_modules/@types")],
  };
  await writeFile(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["consumer.ts"] }));
  await run(join(checkout, "node_modules/.bin/tsc"), ["-p", "."], { cwd });
});

test("on a Node.js that is too old: one clear line, and wrong use", async () => {
  const old = await programOf(nodeRelease("20.20.0"));
  for (const args of [["version"], ["demo", "node", "--once"], []]) {
    const { code, stdout, stderr } = await byNode(old, args, { cwd: await emptyFolder(), codes: [2] });
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^error: imgvol needs Node\.js 22\.18 or newer; this is 20\.20\.0 \(\/.*\)\n$/);
  }
});

test("the demo runs from an empty folder, and leaves it empty", { timeout: 300_000 }, async () => {
  for (const node of programs.values()) {
    const cwd = await emptyFolder();
    const env = { IMGVOL_CACHE: join(await emptyFolder(), "cache"), NO_COLOR: "1" };
    const { stdout, stderr } = await byNode(node, ["demo", "node", "--once"], { cwd, env });
    assert.match(stdout + stderr, /GET \/hello/);
    assert.match(stdout + stderr, /sha256:[0-9a-f]{12}/);
    assert.deepEqual(await readdir(cwd), []);
  }
});
