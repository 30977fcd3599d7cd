import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Network, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import type { Digest, Store } from "../../src/oci/index.ts";
import { pack } from "../../src/pack/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { memoryStore, openArchive, openLayout } from "../../src/store/index.ts";
import { gather } from "../contract/store.ts";
import { oras } from "../peers/oras.ts";
import { programOf, type Ran, run } from "../peers/program.ts";
import { regctl } from "../peers/regctl.ts";
import { REGISTRIES } from "../peers/registries.ts";
import { skopeo } from "../peers/skopeo.ts";
import { umoci } from "../peers/umoci.ts";
import { startOwnRegistry } from "./own-registry.ts";

// Archives, and what refers to an image: what we write others read, and the other way round.

const call = quietCall();

interface Work {
  at(name: string): string;
  readonly oras: Run;
  readonly skopeo: Run;
  readonly regctl: Run;
  readonly umoci: Run;
  readonly tar: Run;
}
type Run = (...args: readonly string[]) => Promise<Ran>;

/** A folder with `note.txt`, and the programs, which run in it. */
async function inFolder(work: (w: Work) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-archives-");
  const env = { HOME: folder.path, XDG_RUNTIME_DIR: folder.path, DOCKER_CONFIG: folder.path };
  await writeFile(join(folder.path, "note.txt"), "a note");
  const runs = async (program: string | Promise<string>): Promise<Run> => {
    const path = await program;
    return (...args) => run(path, args, { cwd: folder.path, env });
  };
  await work({
    at: (name) => join(folder.path, name),
    oras: await runs(programOf(oras)),
    skopeo: await runs(programOf(skopeo)),
    regctl: await runs(programOf(regctl)),
    umoci: await runs(programOf(umoci)),
    tar: await runs("tar"),
  });
}

/** Packs a small volume as `v1`. */
async function packInto(store: Store, folder: string, platforms?: "none"): Promise<Digest> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "hello"), "hello");
  return (await pack([{ path: folder }], store, { tag: "v1", platforms }, call)).digest;
}

test("our archive: tar lists it, skopeo, oras and regctl read it, umoci once it is unpacked", async () => {
  await inFolder(async ({ at, oras, skopeo, regctl, umoci, tar }) => {
    await using store = await openArchive(at("ours.tar"), { create: true }, call);
    const digest = await packInto(store, at("tree"));
    const names = (await tar("-tf", at("ours.tar"))).stdout.split("\n");
    assert.deepEqual(names.slice(0, 4), ["oci-layout", "index.json", "blobs/", "blobs/sha256/"]);

    const policy = "--insecure-policy";
    await skopeo(policy, "copy", "--all", "--preserve-digests", "oci-archive:ours.tar:v1", "oci:layout:v2");
    await using theirs = await openLayout(at("layout"), {}, call);
    assert.equal((await theirs.resolve("v2", call)).digest, digest);
    const fetched = await oras("manifest", "fetch", "--descriptor", "--oci-layout", "ours.tar:v1");
    assert.equal(JSON.parse(fetched.stdout).digest, digest);
    await oras("copy", "--from-oci-layout", "ours.tar:v1", "--to-oci-layout", "copied:v1");

    await mkdir(at("unpacked"));
    await tar("-xf", at("ours.tar"), "-C", at("unpacked"));
    assert.equal((await umoci("ls", "--layout", "unpacked")).stdout.trim(), "v1");
    assert.equal((await regctl("image", "digest", "ocidir://unpacked:v1")).stdout.trim(), digest);
    await using single = await openArchive(at("single.tar"), { create: true }, call);
    await packInto(single, at("tree"), "none");
    await mkdir(at("one"));
    await tar("-xf", at("single.tar"), "-C", at("one"));
    await umoci("unpack", "--rootless", "--image", "one:v1", "bundle");
    assert.equal(await readFile(at("bundle/rootfs/hello"), "utf8"), "hello");
  });
});

test("archives of skopeo, regctl and tar are read, and written to without losing what is in them", async () => {
  await inFolder(async ({ at, skopeo, regctl, tar }) => {
    await using layout = await openLayout(at("layout"), { create: true }, call);
    const digest = await packInto(layout, at("tree"));
    const copied = ["--insecure-policy", "copy", "--all", "--preserve-digests", "oci:layout:v1"];
    await skopeo(...copied, "oci-archive:skopeo.tar:v1");
    await regctl("image", "export", "ocidir://layout:v1", "regctl.tar");
    await tar("-C", at("layout"), "--exclude=.imgvol", "-cf", at("gnu.tar"), ".");
    await tar("-C", at("layout"), "--exclude=.imgvol", "--format=posix", "-cf", at("pax.tar"), ".");
    for (const name of ["skopeo.tar", "regctl.tar", "gnu.tar", "pax.tar"]) {
      await using archive = await openArchive(at(name), { create: true }, call);
      const [root] = await gather(archive.can.roots?.list(call));
      assert.equal(root?.digest, digest, name);
      await copy(archive, digest, memoryStore(), "v1", {}, call);
      await archive.tag("v2", await archive.resolve(digest, call), call);
      const raw = await skopeo("--insecure-policy", "inspect", "--raw", `oci-archive:${name}:v2`);
      assert.equal(JSON.parse(raw.stdout).manifests.length, 2, name);
    }
  });
});

test("referrers in a layout and in an archive: those of oras and regctl, and ours for them", async () => {
  await inFolder(async ({ at, oras, regctl }) => {
    await using layout = await openLayout(at("layout"), { create: true }, call);
    const digest = await packInto(layout, at("tree"));
    await oras("attach", "--oci-layout", "layout:v1", "--artifact-type", "application/x.oras", "note.txt");
    const put = ["artifact", "put", "--artifact-type", "application/x.regctl", "-f", "note.txt"];
    await regctl(...put, "--subject", "ocidir://layout:v1");
    const types = ["application/x.oras", "application/x.regctl"];
    assert.deepEqual(await typesOf(layout, digest), types);

    await using archive = await openArchive(at("archive.tar"), { create: true }, call);
    await using other = await openLayout(at("other"), { create: true }, call);
    for (const to of [archive, other]) await copy(layout, "v1", to, "v1", { referrers: true }, call);
    for (const path of ["archive.tar:v1", "other:v1"]) {
      const seen = await oras("discover", "--oci-layout", "--format", "json", path);
      assert.deepEqual(artifactTypes(JSON.parse(seen.stdout).referrers), types, path);
    }
    const list = ["artifact", "list", "--slow-referrers", "--format", "{{ json . }}"];
    const { stdout } = await regctl(...list, "ocidir://other:v1");
    assert.deepEqual(artifactTypes(JSON.parse(stdout).descriptors), types);
  });
});

const OURS = { name: "imgvol", start: () => startOwnRegistry({ folder: true }) };
for (const { name, start } of [OURS, ...REGISTRIES]) {
  test(`${name}: referrers of referrers are copied there, and others see them; theirs come back; a deleted one goes`, async () => {
    await inFolder(async ({ at, oras }) => {
      await using registry = await start();
      await using layout = await openLayout(at("layout"), { create: true }, call);
      const digest = await packInto(layout, at("tree"));
      const attach = ["attach", "--artifact-type"];
      await oras(...attach, "application/x.sbom", "--oci-layout", "layout:v1", "note.txt");
      const [sbom] = await gather(layout.can.referrers?.referrers(digest, call));
      assert.ok(sbom !== undefined);
      await oras(...attach, "application/x.signature", "--oci-layout", `layout@${sbom.digest}`, "note.txt");

      using network = new Network({ env: {} });
      const to = openRemote({ registry: registry.host, repository: "a/b" }, { network });
      const result = await copy(layout, "v1", to, "v1", { referrers: true }, call);
      assert.equal(result.referrers, 2);
      const image = `${registry.host}/a/b:v1`;
      const seen = await oras("discover", "--plain-http", "--format", "json", image);
      const [first] = JSON.parse(seen.stdout).referrers;
      assert.deepEqual([first.digest, first.artifactType], [sbom.digest, "application/x.sbom"]);
      assert.deepEqual(artifactTypes(first.referrers), ["application/x.signature"]);

      await oras(...attach, "application/x.theirs", "--plain-http", image, "note.txt");
      assert.deepEqual(await typesOf(to, digest), ["application/x.sbom", "application/x.theirs"]);
      const back = memoryStore();
      assert.equal((await copy(to, "v1", back, "v1", { referrers: true }, call)).referrers, 3);
      await to.can.delete?.delete(sbom, call);
      const left = await oras("discover", "--plain-http", "--format", "json", image);
      assert.deepEqual(artifactTypes(JSON.parse(left.stdout).referrers), ["application/x.theirs"]);
    });
  });
}

async function typesOf(store: Store, subject: Digest): Promise<readonly string[]> {
  return artifactTypes(await gather(store.can.referrers?.referrers(subject, call)));
}

function artifactTypes(list: readonly { readonly artifactType?: string }[] | null): readonly string[] {
  return (list ?? []).map((d) => d.artifactType ?? "").sort();
}
