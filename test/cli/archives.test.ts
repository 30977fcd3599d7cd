import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fromBytes, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { canonicalJson, MediaType } from "../../src/oci/index.ts";
import { openArchive } from "../../src/store/index.ts";
import { imgvol } from "./imgvol.ts";

const call = quietCall();

test("an archive is packed into, looked into, copied, tagged again and cleared, as every other store", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-cli-");
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at("agent"));
  await writeFile(at("agent/agent.properties"), "level=info\n");
  const archive = `oci-archive:${at("image.tar")}`;
  const run = async (...args: readonly string[]): Promise<string> => {
    const ran = await imgvol(args, { cwd: folder.path });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  };

  const pinned = (await run("pack", "agent", "-t", `${archive}:1`)).trim();
  assert.match(pinned, /^oci-archive:.*image\.tar@sha256:[0-9a-f]{64}$/);
  const bytes = await readFile(at("image.tar"));
  for (const ref of [pinned, "oci-archive:image.tar"]) {
    assert.equal(await run("ls", ref), "agent.properties\n", ref);
  }
  assert.equal(await run("cat", archive, "agent.properties"), "level=info\n");
  await run("export", archive, "out");
  assert.equal(await readFile(at("out/agent.properties"), "utf8"), "level=info\n");
  await run("copy", `${archive}:1`, `${archive}:2`);
  await run("copy", `${archive}:1`, "oci-archive:other.tar:1");
  assert.deepEqual(await readFile(at("other.tar")), bytes, "the same image makes the same archive");
  assert.equal(await run("diff", `${archive}:2`, "oci-archive:other.tar"), "");
  assert.equal(await run("tags", archive), "1\n2\n");
  await run("delete", `${archive}:1`);
  assert.equal(await run("tags", archive), "2\n");
  assert.deepEqual((await readdir(folder.path)).sort(), ["agent", "image.tar", "other.tar", "out"]);
});

test("what refers to an image is shown, and taken along", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-cli-");
  await writeFile(join(folder.path, "file"), "");
  const archive = `oci-archive:${join(folder.path, "image.tar")}`;
  assert.equal((await imgvol(["pack", join(folder.path, "file"), "-t", `${archive}:1`])).code, 0);
  const none = await imgvol(["inspect", `${archive}:1`, "--referrers"]);
  assert.match(none.stdout, /^nothing refers to it$/m);

  await using store = await openArchive(join(folder.path, "image.tar"), {}, call);
  const subject = await store.resolve("1", call);
  const config = await store.ingest(MediaType.empty, fromBytes(Buffer.from("{}")), call);
  const sbom = {
    ...{ schemaVersion: 2, mediaType: MediaType.manifest, artifactType: "application/spdx+json" },
    ...{ config, layers: [], subject },
  };
  await store.can.roots?.add(
    await store.ingest(MediaType.manifest, fromBytes(canonicalJson(sbom)), call),
    call,
  );
  const layout = `oci:${join(folder.path, "layout")}:1`;
  const copied = await imgvol(["copy", `${archive}:1`, layout, "--referrers", "--json"]);
  assert.equal(JSON.parse(copied.stdout).referrers, 1);
  const shown = await imgvol(["inspect", layout, "--referrers", "--json"]);
  const { referrers } = JSON.parse(shown.stdout);
  assert.deepEqual(
    [referrers[0].artifactType, referrers[0].subject],
    ["application/spdx+json", subject.digest],
  );
  assert.match(
    (await imgvol(["inspect", layout, "--referrers"])).stdout,
    /^application\/spdx\+json +\d+ B +sha256:/m,
  );
});

test("an archive that cannot be read, or would be packed into itself, is an error with the next step", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-cli-");
  const path = join(folder.path, "image.tar");
  await writeFile(path, gzipSync(Buffer.alloc(1024)));
  const compressed = await imgvol(["inspect", `oci-archive:${path}`]);
  assert.equal(compressed.code, 3);
  assert.match(compressed.stderr, /image\.tar is compressed with gzip.*\nhint: .*gzip -d/);
  const itself = await imgvol(["pack", folder.path, "-t", `oci-archive:${join(folder.path, "new.tar")}:1`]);
  assert.equal(itself.code, 2);
  assert.match(itself.stderr, /where the image goes, lies in the source/);
  const missing = await imgvol([
    "copy",
    `oci-archive:${folder.path}/no.tar:1`,
    `oci-archive:${folder.path}/a/b.tar:1`,
  ]);
  assert.equal(missing.code, 3);
  assert.deepEqual(await readdir(folder.path), ["image.tar"]);
});
