import assert from "node:assert/strict";
import {
  chmod,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fromBytes, makeFolder, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { digestOf, MediaType } from "../../src/oci/index.ts";
import { folderBacking, type RegistryHandler, registryHandler } from "../../src/registry/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { exchange, manifestOf, pushBlob, pushImage, sha256 } from "./exchange.ts";

/** Runs `work` over a registry on `dir`, and closes it. */
async function over(
  dir: string,
  work: (r: ReturnType<typeof registryHandler>) => Promise<void>,
): Promise<void> {
  await using backing = await folderBacking(dir);
  await using registry = registryHandler(backing, {
    onError: (error) => {
      throw error;
    },
  });
  await work(registry);
}

test("what was pushed is there after a restart: tags, digests, referrers", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const subject = { mediaType: MediaType.manifest, digest: sha256("subject"), size: 7 };
  let digest = "";
  await over(folder.path, async (registry) => {
    digest = await pushImage(registry, "a/b", "v1", { subject });
  });
  await over(folder.path, async (registry) => {
    for (const reference of ["v1", digest]) {
      const answer = await exchange(registry, "GET", `/v2/a/b/manifests/${reference}`);
      assert.equal(answer.headers["docker-content-digest"], digest);
    }
    const referrers = await exchange(registry, "GET", `/v2/a/b/referrers/${subject.digest}`);
    assert.equal(JSON.parse(referrers.body.toString()).manifests[0].digest, digest);
  });
});

test("what is acknowledged survives a power cut: each new folder's name is forced to the disk, too", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const synced = new Set<number>();
  await using probe = await open(folder.path);
  const handles: { sync: () => Promise<void> } = Object.getPrototypeOf(probe);
  const { sync } = handles;
  handles.sync = async function (this: FileHandle) {
    synced.add((await this.stat()).ino);
    return await sync.call(this);
  };
  try {
    await over(join(folder.path, "new"), async (registry) => {
      await pushBlob(registry, "a/b", "bytes");
    });
  } finally {
    handles.sync = sync;
  }
  for (const path of ["", "new", "new/a", "new/a/b", "new/a/b/_layout", "new/a/b/_layout/blobs/sha256"]) {
    assert.ok(
      synced.has((await stat(join(folder.path, path))).ino),
      `${path || "the folder above"} was synced`,
    );
  }
});

test("a client that goes away does not fail another that waits for the same new repository", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using backing = await folderBacking(folder.path);
  const gone = new AbortController();
  const first = backing.create("a", { signal: gone.signal }).catch(() => undefined);
  const second = backing.create("a", quietCall());
  gone.abort();
  assert.equal((await second).name, "a");
  await first;
});

test("a repository is an image layout: read by others, and written by others", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const call = quietCall();
  const manifest = Buffer.from(manifestOf("{}", []));
  const child = { mediaType: MediaType.manifest, digest: digestOf(manifest), size: manifest.length };
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [child] }),
  );
  await mkdir(join(folder.path, "theirs"));
  {
    await using layout = await openLayout(join(folder.path, "theirs", "_layout"), { create: true }, call);
    await layout.put(
      { mediaType: MediaType.config, digest: sha256("{}"), size: 2 },
      fromBytes(Buffer.from("{}")),
      call,
    );
    await layout.put(child, fromBytes(manifest), call);
    await layout.tag("v1", await layout.ingest(MediaType.index, fromBytes(index), call), call);
  }
  await over(folder.path, async (registry) => {
    const top = await exchange(registry, "GET", "/v2/theirs/manifests/v1");
    assert.deepEqual([top.status, top.headers["content-type"]], [200, MediaType.index]);
    const below = await exchange(registry, "GET", `/v2/theirs/manifests/${child.digest}`);
    assert.deepEqual([below.status, below.headers["content-type"]], [200, MediaType.manifest]);
    const digest = await pushImage(registry, "ours", "v1");
    await using layout = await openLayout(join(folder.path, "ours", "_layout"), {}, call);
    assert.equal((await layout.resolve("v1", call)).digest, digest);
  });
});

test("a mounted blob is one file under two names", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await over(folder.path, async (registry) => {
    const digest = await pushBlob(registry, "a", "shared");
    await exchange(registry, "POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`);
    const path = (name: string): string => join(folder.path, name, "_layout", "blobs", ...digest.split(":"));
    assert.equal(await readFile(path("b"), "utf8"), "shared");
    await exchange(registry, "DELETE", `/v2/a/blobs/${digest}`);
    assert.equal(await readFile(path("b"), "utf8"), "shared");
  });
});

for (const [how, send] of [
  [
    "POST",
    (registry, digest, bytes) =>
      exchange(registry, "POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: bytes }),
  ],
  [
    "PATCH and PUT",
    async (registry, digest, bytes) => {
      const at = (await exchange(registry, "POST", "/v2/a/blobs/uploads/")).headers["location"] ?? "";
      await exchange(registry, "PATCH", at, { body: bytes });
      return await exchange(registry, "PUT", `${at}?digest=${digest}`);
    },
  ],
] satisfies [
  string,
  (registry: RegistryHandler, digest: string, bytes: string) => ReturnType<typeof exchange>,
][]) {
  test(`a blob that was damaged on the disk is whole again when a client sends it by ${how}`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
    await over(folder.path, async (registry) => {
      const digest = await pushBlob(registry, "a", "content");
      const path = join(folder.path, "a", "_layout", "blobs", ...digest.split(":"));
      await writeFile(path, "c0ntent");
      assert.equal((await send(registry, digest, "content")).status, 201);
      assert.equal((await exchange(registry, "GET", `/v2/a/blobs/${digest}`)).body.toString(), "content");
    });
  });
}

test("a manifest that was damaged on the disk is whole again when a client pushes it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await over(folder.path, async (registry) => {
    await pushBlob(registry, "a", "{}");
    const manifest = manifestOf("{}", []);
    const push = () =>
      exchange(registry, "PUT", "/v2/a/manifests/v1", {
        body: manifest,
        headers: { "content-type": MediaType.manifest },
      });
    await push();
    const path = join(folder.path, "a", "_layout", "blobs", ...sha256(manifest).split(":"));
    await writeFile(path, manifest.replace("{", "["));
    assert.equal((await push()).status, 201);
    assert.equal((await exchange(registry, "GET", "/v2/a/manifests/v1")).body.toString(), manifest);
  });
});

test("a mount passes over a repository that is damaged, and takes the blob from another", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await over(folder.path, async (registry) => {
    const digest = sha256("shared");
    const mount = async (to: string, from = ""): Promise<number> =>
      (await exchange(registry, "POST", `/v2/${to}/blobs/uploads/?mount=${digest}${from}`)).status;
    const layout = join(folder.path, "broken", "_layout");
    await makeFolder(join(layout, "blobs", "sha256"));
    await writeFile(join(layout, "blobs", ...digest.split(":")), "shared");
    await writeFile(join(layout, "oci-layout"), "{");
    assert.deepEqual([await mount("b"), await mount("b", "&from=broken")], [202, 202]);
    await pushBlob(registry, "whole", "shared");
    assert.equal(await mount("b"), 201);
  });
});

test("a folder that cannot be one is a coded error", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const file = join(folder.path, "file");
  await writeFile(file, "");
  for (const dir of [file, join(file, "below")])
    await assert.rejects(folderBacking(dir), { code: "folder-unusable" });
  assert.equal(await readFile(file, "utf8"), "");
});

test("what is no repository's name is not looked into: a disk has a lost+found that only root may read", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const homes = ["lost+found", ".snapshot", "UPPER"].map((name) => join(folder.path, name));
  for (const home of homes) {
    await makeFolder(join(home, "_layout"));
    await writeFile(join(home, "_layout", "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await chmod(home, 0o000);
  }
  try {
    await over(folder.path, async (registry) => {
      await pushBlob(registry, "ours", "bytes");
      const catalog = await exchange(registry, "GET", "/v2/_catalog");
      assert.deepEqual([catalog.status, catalog.body.toString()], [200, '{"repositories":["ours"]}']);
    });
  } finally {
    for (const home of homes) await chmod(home, 0o700);
  }
});

test("only what is there is kept in mind as told: blobs that are refused leave no trace", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using backing = await folderBacking(folder.path);
  await using registry = registryHandler(backing);
  const digest = await pushBlob(registry, "a", "bytes");
  const other = sha256("other");
  const refused = await exchange(registry, "POST", `/v2/a/blobs/uploads/?digest=${other}`, { body: "bytes" });
  assert.deepEqual([refused.status, ...refused.errors], [400, "DIGEST_INVALID"]);
  const repository = await backing.find("a", quietCall());
  const told = [digest, other].map((each) => repository?.recent.since(each, 0));
  assert.deepEqual(told, [true, false]);
});

test("a manifest is there only with its record, so that whoever finds it need not push it again", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const subject = { mediaType: MediaType.manifest, digest: sha256("subject"), size: 7 };
  const digest = sha256(manifestOf("{}", ["layer"], { subject }));
  await using backing = await folderBacking(folder.path);
  const failures: unknown[] = [];
  await using registry = registryHandler(backing, { onError: (error) => failures.push(error) });
  const seen = async (): Promise<readonly unknown[]> => {
    const found = await exchange(registry, "GET", `/v2/a/manifests/${digest}`);
    const listed = await exchange(registry, "GET", `/v2/a/referrers/${subject.digest}`);
    return [found.status, JSON.parse(listed.body.toString()).manifests.length];
  };
  await pushBlob(registry, "a", "{}");
  // What a server that is killed between leaves, a full disk leaves too; here neither kind of record can be made.
  for (const records of ["_manifests", "_referrers"]) {
    await writeFile(join(folder.path, "a", records), "in the way");
    await assert.rejects(pushImage(registry, "a", "", { subject }));
    await rm(join(folder.path, "a", records));
    assert.deepEqual(await seen(), [404, 0], records);
  }
  assert.equal(failures.length, 2);
  await pushImage(registry, "a", "", { subject });
  assert.deepEqual(await seen(), [200, 1]);
  // A delete that ended half-way: the content goes first.
  await rm(join(folder.path, "a", "_layout", "blobs", ...digest.split(":")));
  assert.deepEqual(await seen(), [404, 0]);
  await pushImage(registry, "a", "", { subject });
  assert.deepEqual(await seen(), [200, 1]);
  await exchange(registry, "DELETE", `/v2/a/manifests/${digest}`);
  assert.deepEqual(await seen(), [404, 0]);
  assert.deepEqual(await readdir(join(folder.path, "a", "_manifests", "sha256")), []);
});

test("what a killed server was writing goes when its repository is next used; nothing else does", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  let digest = "";
  await over(folder.path, async (registry) => {
    digest = await pushImage(registry, "a/b", "v1");
  });
  const records = join(folder.path, "a", "b", "_manifests", "sha256");
  const hex = digest.slice("sha256:".length);
  for (const name of [`${hex}.4711.k3xa1.tmp`, "notes.tmp"]) await writeFile(join(records, name), "half of");
  await over(folder.path, async (registry) => {
    assert.equal((await exchange(registry, "GET", "/v2/a/b/manifests/v1")).status, 200);
  });
  assert.deepEqual((await readdir(records)).sort(), [hex, "notes.tmp"].sort());
});
