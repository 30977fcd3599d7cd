import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { digestOf } from "../../src/oci/index.ts";
import { cat, exportTar, ls, pack } from "../../src/pack/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { memoryStore, openLayout } from "../../src/store/index.ts";
import { crane } from "../peers/crane.ts";
import { startDockerRegistry } from "../peers/docker-registry.ts";
import { oras } from "../peers/oras.ts";
import { programOf, type Ran, run } from "../peers/program.ts";
import { regctl } from "../peers/regctl.ts";
import { umoci } from "../peers/umoci.ts";

// Our client against the registry that most of the world runs, and against ours: what we push, others read; what they
// push, we copy, list and export.

const call = quietCall();

const REGISTRIES: Readonly<Record<string, () => Promise<{ readonly host: string } & AsyncDisposable>>> = {
  "docker-registry": startDockerRegistry,
  "our registry": async () => {
    const registry = await startRegistry({ host: "127.0.0.1", port: 0 }, call);
    return {
      host: `127.0.0.1:${registry.port}`,
      [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    };
  },
};

/** A folder with what is awkward: long and foreign names, links, empty things, a mode that matters. */
async function awkward(root: string): Promise<string> {
  const tree = join(root, "tree");
  const deep = join(tree, "a".repeat(120), "b".repeat(120));
  await mkdir(deep, { recursive: true });
  await mkdir(join(tree, "empty"));
  await writeFile(join(deep, "é 日本 .txt"), "far down");
  await writeFile(join(tree, "random"), randomBytes(2 * 1024 * 1024));
  await writeFile(join(tree, "none"), "");
  await writeFile(join(tree, "run.sh"), "#!/bin/sh\n");
  await chmod(join(tree, "run.sh"), 0o755);
  await symlink("run.sh", join(tree, "link"));
  await link(join(tree, "random"), join(tree, "same"));
  return tree;
}

type Push = (home: string, tree: string, host: string) => Promise<void>;

/** Ways by which others push `tree` as `theirs:v1`. */
const CLIENTS: Readonly<Record<string, Push>> = {
  async "crane append"(home, tree, host) {
    await run("tar", ["-cf", join(home, "layer.tar"), "-C", tree, "."]);
    const args = ["append", "-f", join(home, "layer.tar"), "-t", `${host}/theirs:v1`];
    await run(await programOf(crane), args, { env: { HOME: home } });
  },
  async "crane push of a saved image"(home, tree, host) {
    await run("tar", ["-cf", join(home, "layer.tar"), "-C", tree, "."]);
    const saved = join(home, "saved.tar");
    const env = { HOME: home };
    const append = ["append", "-f", join(home, "layer.tar"), "-o", saved, "-t", "theirs:v1"];
    await run(await programOf(crane), append, { env });
    await run(await programOf(crane), ["push", saved, `${host}/theirs:v1`], { env });
  },
  async "oras, from umoci's layout,"(home, tree, host) {
    const from = await umociLayout(home, tree);
    const args = ["cp", "--from-oci-layout", "--to-plain-http", from, `${host}/theirs:v1`];
    await run(await programOf(oras), args, { env: { HOME: home } });
  },
  async "regctl image copy"(home, tree, host) {
    const from = await umociLayout(home, tree);
    const args = [
      "--host",
      `reg=${host},tls=disabled`,
      "image",
      "copy",
      `ocidir://${from}`,
      `${host}/theirs:v1`,
    ];
    await run(await programOf(regctl), args, { env: { HOME: home } });
  },
  async "regctl image import"(home, tree, host) {
    await umociLayout(home, tree);
    const archive = join(home, "archive.tar");
    await run("tar", ["-cf", archive, "-C", join(home, "umoci"), "oci-layout", "index.json", "blobs"]);
    const args = ["--host", `reg=${host},tls=disabled`, "image", "import", `${host}/theirs:v1`, archive];
    await run(await programOf(regctl), args, { env: { HOME: home } });
  },
};

/** An image of `tree` that umoci makes, in two layers: a whiteout of the second hides a file of the first. */
async function umociLayout(home: string, tree: string): Promise<string> {
  const program = await programOf(umoci);
  const env = { HOME: home };
  const image = `${join(home, "umoci")}:v1`;
  await run(program, ["init", "--layout", join(home, "umoci")], { env });
  await run(program, ["new", "--image", image], { env });
  await writeFile(join(home, "gone"), "of the first layer alone");
  await run(program, ["insert", "--rootless", "--image", image, join(home, "gone"), "/gone"], { env });
  await run(program, ["unpack", "--rootless", "--image", image, join(home, "changing")], { env });
  await rm(join(home, "changing/rootfs/gone"));
  await run("cp", ["-a", `${tree}/.`, join(home, "changing/rootfs")]);
  await run(program, ["repack", "--image", image, join(home, "changing")], { env });
  return image;
}

/** Every path with its kind, mode and content; modes as a volume has them: 0644 or 0755. */
async function shapeOf(root: string, prefix = ""): Promise<Readonly<Record<string, string>>> {
  const shape: Record<string, string> = {};
  for (const name of (await readdir(root)).sort()) {
    const path = join(root, name);
    const s = await lstat(path);
    const mode = s.mode & 0o111 ? "755" : "644";
    if (s.isDirectory())
      Object.assign(shape, { [`${prefix}${name}/`]: "" }, await shapeOf(path, `${prefix}${name}/`));
    else if (s.isSymbolicLink()) shape[`${prefix}${name}`] = `-> ${await readlink(path)}`;
    else shape[`${prefix}${name}`] = `${mode} ${s.nlink} ${(await readFile(path)).toString("base64")}`;
  }
  return shape;
}

for (const [name, start] of Object.entries(REGISTRIES)) {
  for (const compression of ["auto", "gzip", "zstd", "none"] as const) {
    test(`${compression} layers pushed to ${name} unpack with umoci to the tree that was packed`, async () => {
      await using folder = await temporaryFolder(tmpdir(), "imgvol-interop-");
      await using registry = await start();
      const at = (path: string): string => join(folder.path, path);
      const env = { HOME: folder.path };
      const tree = await awkward(folder.path);
      const remote = openRemote({ registry: registry.host, repository: "ours/volume" });
      const packed = await pack([{ path: tree }], remote, { tag: "v1", format: { compression } }, call);
      const named = `${registry.host}/ours/volume:v1`;
      assert.equal(
        (await run(await programOf(crane), ["digest", named], { env })).stdout.trim(),
        packed.digest,
      );
      // crane cannot validate zstd or plain layers.
      if (compression === "gzip" || compression === "auto") {
        await run(await programOf(crane), ["validate", "--remote", named], { env });
      }
      const toLayout = ["cp", "--from-plain-http", "--to-oci-layout", "--platform", "linux/amd64"];
      await run(await programOf(oras), [...toLayout, named, `${at("layout")}:v1`], { env });
      const args = ["unpack", "--rootless", "--image", `${at("layout")}:v1`, at("bundle")];
      await run(await programOf(umoci), args, { env });
      assert.deepEqual(await shapeOf(at("bundle/rootfs")), await shapeOf(tree));
    });
  }

  test(`an image goes from memory to ${name}, to a layout and back, with one digest and nothing sent twice`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-interop-");
    await using registry = await start();
    const memory = memoryStore();
    const { digest } = await pack([{ path: await awkward(folder.path) }], memory, { tag: "v1" }, call);
    const options = {};
    const one = openRemote({ registry: registry.host, repository: "one" }, options);
    const two = openRemote({ registry: registry.host, repository: "two" }, options);
    assert.ok((await copy(memory, "v1", one, "v1", {}, call)).copied > 0);
    assert.equal((await copy(memory, "v1", one, "again", {}, call)).copied, 0);
    assert.ok((await copy(one, "v1", two, "v1", {}, call)).mounted > 0);
    await using layout = await openLayout(join(folder.path, "layout"), { create: true }, call);
    assert.equal((await copy(two, "v1", layout, "v1", {}, call)).digest, digest);
    assert.equal((await layout.resolve("v1", call)).digest, digest);
    const tags: string[] = [];
    for await (const tag of one.can.tags?.list(call) ?? []) tags.push(tag);
    assert.deepEqual(tags, ["again", "v1"]);
    const d = await one.resolve("v1", call);
    await one.can.delete?.delete(d, call);
    await assert.rejects(one.resolve("v1", call), { code: "not-found" });
    assert.equal((await two.resolve("v1", call)).digest, digest);
  });

  test(`what we pushed to ${name} regctl and oras read and copy, byte for byte`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-interop-");
    await using registry = await start();
    const env = { HOME: folder.path };
    const remote = openRemote({ registry: registry.host, repository: "ours" });
    const packed = await pack([{ path: await awkward(folder.path) }], remote, { tag: "v1" }, call);
    const named = `${registry.host}/ours:v1`;
    const regctlArgs = ["--host", `reg=${registry.host},tls=disabled`];
    const byRegctl = async (...args: string[]): Promise<Ran> =>
      run(await programOf(regctl), [...regctlArgs, ...args], { env });
    const index = await byRegctl("manifest", "get", "--format", "raw-body", named);
    assert.equal(digestOf(Buffer.from(index.stdout)), packed.digest);
    const config = await byRegctl("image", "config", "--platform", "linux/arm64", named);
    assert.deepEqual(
      JSON.parse(config.stdout).rootfs.diff_ids,
      packed.layers.map((layer) => layer.diffId),
    );
    const blob = join(folder.path, "blob");
    for (const { descriptor } of packed.layers) {
      const get = `"$0" "$@" > ${blob}`;
      const args = [...regctlArgs, "blob", "get", `${registry.host}/ours`, descriptor.digest];
      await run("sh", ["-c", get, await programOf(regctl), ...args], { env });
      assert.equal(digestOf(await readFile(blob)), descriptor.digest);
    }
    await byRegctl("image", "copy", named, `${registry.host}/regctl:v1`);
    const cp = ["cp", "-r", "--from-plain-http", "--to-plain-http", named, `${registry.host}/oras:v1`];
    await run(await programOf(oras), cp, { env });
    for (const repository of ["regctl", "oras"]) {
      const copied = openRemote({ registry: registry.host, repository });
      assert.equal((await copied.resolve("v1", call)).digest, packed.digest);
      await run(await programOf(crane), ["validate", "--remote", `${registry.host}/${repository}:v1`], {
        env,
      });
    }
  });

  for (const [client, push] of Object.entries(CLIENTS)) {
    test(`what ${client} pushed to ${name} we copy, list, read and export`, async () => {
      await using folder = await temporaryFolder(tmpdir(), "imgvol-interop-");
      await using registry = await start();
      const tree = await awkward(folder.path);
      await push(folder.path, tree, registry.host);
      const remote = openRemote({ registry: registry.host, repository: "theirs" });
      await using layout = await openLayout(join(folder.path, "copied"), { create: true }, call);
      await copy(remote, "v1", layout, "v1", {}, call);
      for (const store of [remote, layout]) {
        const paths: string[] = [];
        for await (const entry of ls(store, "v1", "", {}, call)) paths.push(entry.path);
        const wanted = Object.keys(await shapeOf(tree)).map((path) => path.replace(/\/$/, ""));
        assert.deepEqual(paths.sort(), wanted.sort());
        const parts: Uint8Array[] = [];
        for await (const chunk of cat(store, "v1", "run.sh", {}, call)) parts.push(Buffer.from(chunk));
        assert.equal(Buffer.concat(parts).toString(), "#!/bin/sh\n");
        const out = join(folder.path, store === remote ? "remote.tar" : "layout.tar");
        await pipeline(exportTar(store, "v1", {}, call), createWriteStream(out));
        await mkdir(`${out}.d`);
        await run("tar", ["-xf", out, "-C", `${out}.d`]);
        assert.deepEqual(await shapeOf(`${out}.d`), await shapeOf(tree));
      }
    });
  }
}
