import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { exists, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { buildPrograms } from "../../src/binaries/build.ts";
import { findBinaries } from "../../src/binaries/index.ts";
import type { Build } from "../../src/binaries/versions.ts";
import { lineProgress } from "../../src/cli/progress.ts";
import { ClusterError } from "../../src/cluster/index.ts";

// With a stand-in for Go: what is tested is what stays when it fails, or is stopped.

const code = (wanted: string) => (error: unknown) => error instanceof ClusterError && error.code === wanted;
const home = await temporaryFolder(tmpdir(), "imgvol-build-");
const path = process.env["PATH"];
after(async () => {
  process.env["PATH"] = path;
  await home[Symbol.asyncDispose]();
});

const build: Build = {
  name: "pause",
  version: "1",
  packages: ["imgvol.invalid/a", "imgvol.invalid/b"],
  size: 2,
};

async function withGo(script: string): Promise<string> {
  const folder = await newFolder("go");
  await writeFile(join(folder, "go"), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, "go"), 0o755);
  process.env["PATH"] = `${folder}${delimiter}${path}`;
  return await newFolder("into");
}

let folders = 0;
async function newFolder(name: string): Promise<string> {
  const folder = join(home.path, `${name}-${folders++}`);
  await mkdir(folder);
  return folder;
}

/** Go's flag -o, which ends with a slash. */
const OUT = `while [ "$1" != -o ]; do shift; done; out=$2`;
const PUT = `${OUT}; for p in a b; do echo $p >$out$p; chmod 755 $out$p; done`;

test("a build gives its programs, and leaves nothing else; its packages are counted", async () => {
  const into = await withGo(`echo "go: downloading x v1" >&2; echo imgvol.invalid/a >&2; ${PUT}`);
  await mkdir(join(into, ".build-of-one-that-was-killed"));
  const told: unknown[] = [];
  const task = {
    advance: (n: number) => told.push(n),
    done: (note?: string) => told.push(note),
    failed() {},
  };
  const progress = { start: () => task, say() {} };
  await buildPrograms(build, into, { ...quietCall(), progress });
  assert.deepEqual((await readdir(into)).sort(), ["a", "b"]);
  assert.equal(await readFile(join(into, "a"), "utf8"), "a\n");
  assert.deepEqual(told, [1, "1 module fetched, 1 package compiled"]);
});

test("Go works with its own settings, in a folder that goes with the build", async () => {
  process.env["GOFLAGS"] = "-mod=vendor";
  process.env["GOARCH"] = "s390x";
  try {
    const into = await withGo(
      `[ -z "$GOFLAGS$GOARCH" ] && [ -d "$GOTMPDIR" ] || exit 1; ${PUT}; echo "$GOTMPDIR" >\${out}a`,
    );
    await buildPrograms(build, into, quietCall());
    const temporary = (await readFile(join(into, "a"), "utf8")).trim();
    assert.ok(temporary.startsWith(`${into}/`), temporary);
    assert.equal(await exists(temporary), false);
  } finally {
    delete process.env["GOFLAGS"];
    delete process.env["GOARCH"];
  }
});

for (const [how, script] of [
  ["says why", `echo "go: downloading x v1" >&2; echo imgvol.invalid/a >&2; echo "a.go:1: no" >&2; exit 1`],
  ["has put a program there", `${PUT}; echo "a.go:1: no" >&2; exit 1`],
] as const) {
  test(`a build that fails leaves nothing: Go ${how}`, async () => {
    const into = await withGo(script);
    await assert.rejects(buildPrograms(build, into, quietCall()), (error: unknown) => {
      assert.ok(error instanceof ClusterError && error.code === "build-failed");
      assert.equal(error.message, "pause 1 could not be built: a.go:1: no");
      return true;
    });
    assert.deepEqual(await readdir(into), []);
  });
}

test("a build that is stopped leaves nothing", async () => {
  const into = await withGo(`${PUT}; echo imgvol.invalid/a >&2; sleep 300`);
  const abort = new AbortController();
  const task = { advance: () => abort.abort(), done() {}, failed() {} };
  const call = { signal: abort.signal, progress: { start: () => task, say() {} } };
  await assert.rejects(buildPrograms(build, into, call), { name: "AbortError" });
  assert.deepEqual(await readdir(into), []);
});

test("without Go, it is told before anything is made", async () => {
  process.env["PATH"] = await newFolder("empty");
  const into = join(await newFolder("into"), "below");
  await assert.rejects(buildPrograms(build, into, quietCall()), code("program-missing"));
  assert.equal(await exists(into), false);
});

/** Makes whatever is asked for, in a folder or under one name, as if Go's cache had all of it. */
const PUT_ALL = `${OUT}; shift 2
case $out in
  */) for package; do program=$out$(basename "$package"); : >"$program"; chmod 755 "$program"; done ;;
  *) : >"$out"; chmod 755 "$out" ;;
esac`;

test("what is going to be built is told once, before it begins: how much, how long, and how not to", async () => {
  await withGo(PUT_ALL);
  const tools = process.env["PATH"]?.split(delimiter)[0] ?? "";
  for (const tool of ["cc", "pkg-config", "nft"]) {
    await writeFile(join(tools, tool), "#!/bin/sh\n", { mode: 0o755 });
  }
  const cache = await newFolder("cache");
  const lines: string[] = [];
  const progress = lineProgress((line) => lines.push(line.replace(/in [\d.]+ s$/, "in N s")));
  const { path: found } = await findBinaries({ cache }, { ...quietCall(), progress });
  const [first, ...rest] = lines;
  const folder = join(cache, "cluster", process.arch);
  assert.match(
    first ?? "",
    /^16 programs of the cluster .* up to 10 minutes .* 4\.94 GiB .* 629 MiB .*--bin/,
  );
  assert.ok(first?.includes(` in ${folder}; `), first);
  assert.deepEqual(rest.slice(-2), [
    "build kubernetes 1.36.3",
    "build kubernetes 1.36.3: linked from Go's cache in N s",
  ]);
  assert.equal(rest.length, 14);
  await rm(found("runc"));
  lines.length = 0;
  await findBinaries({ cache }, { ...quietCall(), progress });
  assert.match(lines[0] ?? "", /^1 program of the cluster .* up to 1 minute on/);
  assert.equal(lines.length, 3);
  lines.length = 0;
  await findBinaries({ cache }, { ...quietCall(), progress });
  assert.deepEqual(lines, []);
});

test("a folder of the user's that lacks a program, or has one that may not be run, is not taken", async () => {
  const bin = await newFolder("bin");
  await writeFile(join(bin, "pause"), "");
  await chmod(join(bin, "pause"), 0o644);
  await assert.rejects(findBinaries({ bin, cache: home.path }, quietCall()), (error: unknown) => {
    assert.ok(error instanceof ClusterError && error.code === "program-missing");
    assert.match(error.message, /\/pause is not there, or not to be run$/);
    return true;
  });
  assert.deepEqual(await readdir(bin), ["pause"]);
});
