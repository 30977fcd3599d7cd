import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Listening, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { crane } from "../peers/crane.ts";
import { oras } from "../peers/oras.ts";
import { programOf, type Ran, run } from "../peers/program.ts";
import { regctl } from "../peers/regctl.ts";
import { umoci } from "../peers/umoci.ts";

// Other projects' clients against our registry over a folder: what one pushes, the others read.

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let registry: Listening;
let host = "";
const errors: unknown[] = [];
const bytes = randomBytes(3 * 1024 * 1024);

before(async () => {
  folder = await temporaryFolder(tmpdir(), "imgvol-interop-");
  const onError = (error: unknown): void => void errors.push(error);
  registry = await startRegistry(
    { host: "127.0.0.1", port: 0, dir: join(folder.path, "data"), onError },
    quietCall(),
  );
  host = `127.0.0.1:${registry.port}`;
  await mkdir(join(folder.path, "tree"));
  await writeFile(join(folder.path, "tree", "random"), bytes);
  await run("tar", ["-cf", join(folder.path, "layer.tar"), "-C", join(folder.path, "tree"), "."]);
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  assert.deepEqual(errors, []);
});

const at = (name: string): string => join(folder.path, name);
const home = (): { cwd: string; env: Record<string, string> } => ({
  cwd: folder.path,
  env: { HOME: folder.path },
});
const byCrane = async (...args: string[]): Promise<Ran> =>
  run(await programOf(crane), ["--insecure", ...args], home());
const byOras = async (...args: string[]): Promise<Ran> => run(await programOf(oras), args, home());
const byRegctl = async (...args: string[]): Promise<Ran> =>
  run(await programOf(regctl), ["--host", `reg=${host},tls=disabled`, ...args], home());
const byUmoci = async (...args: string[]): Promise<Ran> => run(await programOf(umoci), args, home());

test("crane: append, validate, pull, copy, list, delete", async () => {
  await byCrane("append", "-f", at("layer.tar"), "-t", `${host}/crane/img:v1`);
  await byCrane("validate", "--remote", `${host}/crane/img:v1`);
  await byCrane("copy", `${host}/crane/img:v1`, `${host}/crane/copy:v2`);
  await byCrane("pull", `${host}/crane/copy:v2`, at("crane.tar"));
  const catalog = (await byCrane("catalog", host)).stdout.split("\n");
  assert.ok(catalog.includes("crane/img") && catalog.includes("crane/copy"));
  await byCrane("tag", `${host}/crane/img:v1`, "v3");
  assert.equal((await byCrane("ls", `${host}/crane/img`)).stdout, "v1\nv3\n");
  const { stdout: digest } = await byCrane("digest", `${host}/crane/img:v1`);
  await byCrane("delete", `${host}/crane/img@${digest.trim()}`);
  assert.equal((await byCrane("ls", `${host}/crane/img`)).stdout, "");
  await byCrane("validate", "--remote", `${host}/crane/copy:v2`);
});

test("oras: push, pull, attach, discover, copy of an artifact with what refers to it", async () => {
  await writeFile(at("sbom.json"), "{}");
  await byOras("push", "--plain-http", `${host}/oras/art:v1`, "tree/random:application/x-random");
  await byOras(
    "attach",
    "--plain-http",
    "--artifact-type",
    "example/sbom",
    `${host}/oras/art:v1`,
    "sbom.json",
  );
  const { stdout } = await byOras("discover", "--plain-http", "--format", "json", `${host}/oras/art:v1`);
  assert.match(stdout, /example\/sbom/);
  await byOras(
    "cp",
    "-r",
    "--from-plain-http",
    "--to-plain-http",
    `${host}/oras/art:v1`,
    `${host}/oras/copy:v1`,
  );
  const copied = await byOras("discover", "--plain-http", "--format", "json", `${host}/oras/copy:v1`);
  assert.match(copied.stdout, /example\/sbom/);
  await byOras("pull", "--plain-http", "-o", at("pulled"), `${host}/oras/copy:v1`);
  assert.deepEqual(await readFile(at("pulled/tree/random")), bytes);
});

test("umoci: its layout comes in by oras, goes out again, and unpacks to the same bytes", async () => {
  await byUmoci("init", "--layout", at("layout"));
  await byUmoci("new", "--image", `${at("layout")}:v1`);
  await byUmoci("insert", "--rootless", "--image", `${at("layout")}:v1`, at("tree"), "/agent");
  await byOras("cp", "--from-oci-layout", "--to-plain-http", `${at("layout")}:v1`, `${host}/umoci/img:v1`);
  await byCrane("validate", "--remote", `${host}/umoci/img:v1`);
  await byOras("cp", "--from-plain-http", "--to-oci-layout", `${host}/umoci/img:v1`, `${at("back")}:v1`);
  await byUmoci("unpack", "--rootless", "--image", `${at("back")}:v1`, at("bundle"));
  assert.deepEqual(await readFile(at("bundle/rootfs/agent/random")), bytes);
  // A repository on disk is a layout that umoci reads as it lies there.
  const inPlace = `${at("data/umoci/img/_layout")}:v1`;
  await byUmoci("unpack", "--rootless", "--image", inPlace, at("in-place"));
  assert.deepEqual(await readFile(at("in-place/rootfs/agent/random")), bytes);
});

test("regctl: copy with a mount, index, referrers, tags, deletes, upload in chunks", async () => {
  await byCrane("append", "-f", at("layer.tar"), "-t", `${host}/reg/img:v1`);
  await byRegctl("image", "copy", `${host}/reg/img:v1`, `${host}/reg/copy:v1`);
  await byRegctl("image", "mod", "--replace", "--to-oci", `${host}/reg/copy:v1`);
  await byRegctl(
    "index",
    "create",
    "--ref",
    `${host}/reg/copy:v1`,
    "--platform",
    "linux/amd64",
    `${host}/reg/copy:index`,
  );
  const { stdout: child } = await byRegctl("image", "digest", `${host}/reg/copy:v1`);
  const index = await byRegctl("manifest", "get", `${host}/reg/copy:index`);
  assert.ok(index.stdout.includes(child.trim()));
  await writeFile(at("note.txt"), "a note");
  await byRegctl(
    "artifact",
    "put",
    "--artifact-type",
    "example/note",
    "--subject",
    `${host}/reg/copy:index`,
    "-f",
    at("note.txt"),
  );
  assert.match((await byRegctl("artifact", "list", `${host}/reg/copy:index`)).stdout, /example\/note/);
  assert.equal((await byRegctl("tag", "ls", `${host}/reg/copy`)).stdout, "index\nv1\n");
  await byRegctl("tag", "delete", `${host}/reg/copy:index`);
  assert.equal((await byRegctl("tag", "ls", `${host}/reg/copy`)).stdout, "v1\n");
  await byRegctl("image", "copy", `${host}/reg/copy:v1`, `ocidir://${at("ocidir")}:v1`);
  // From here on in chunks of 512 KiB.
  await byRegctl("registry", "set", host, "--skip-check", "--blob-chunk", "524288", "--blob-max", "600000");
  await byRegctl("image", "copy", `ocidir://${at("ocidir")}:v1`, `${host}/reg/again:v1`);
  await byCrane("validate", "--remote", `${host}/reg/again:v1`);
});
