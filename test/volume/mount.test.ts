import assert from "node:assert/strict";
import { chmod, lstat, mkdir, mkdtemp, open, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ImgvolError, quietCall, removeTree } from "../../src/base/index.ts";
import { checkMountPoint, type Mounter, mount, openCache, unmount } from "../../src/volume/index.ts";
import { bindMounter } from "../../src/volume/mount-bind.ts";
import { copyMounter } from "../../src/volume/mount-copy.ts";
import { mountTable } from "../../src/volume/mount-table.ts";
import { imageOf, picture } from "./images.ts";

const call = quietCall();
const folder = await mkdtemp(join(tmpdir(), "imgvol test-"));
const cache = await openCache(join(folder, "cache"));
after(async () => {
  // Where a test failed, its mount may still be there.
  for (const { mountPoint } of await mountTable()) {
    if (mountPoint.startsWith(folder)) await unmount(cache.path, mountPoint, call);
  }
  await removeTree(folder);
});
const store = await imageOf([
  [
    { path: "d/", type: "5", mode: 0o750 },
    { path: "d/f", body: "content", mode: 0o755 },
    { path: "hard", type: "1", target: "d/f" },
    { path: "link", type: "2", target: "d/f" },
  ],
]);
const other = await imageOf([[{ path: "other", body: "other" }]]);

// The bind mounter works for root alone; where it does not, it must say why.
const probe = await bindMounter.probe(call);
if (!probe.ok) assert.match(probe.why, /^bind: .{8}/);
const working: Mounter[] = probe.ok ? [bindMounter, copyMounter] : [copyMounter];

function code(wanted: string): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof ImgvolError)) return false;
    assert.equal(error.code, wanted, error.message);
    return true;
  };
}

for (const mounter of working) {
  const only = { mounters: [mounter] };
  test(`${mounter.name}: mounted, read-only, mounted again, unmounted, and gone`, async () => {
    await using volume = await cache.volume(store, "v", {}, call);
    const at = join(folder, `${mounter.name} at`);
    const record = await mount(cache.path, volume, at, only, call);
    assert.deepEqual([record.mounter, record.made, record.complete], [mounter.name, true, true]);
    assert.equal(await readFile(join(at, "link"), "utf8"), "content");
    assert.equal((await lstat(join(at, "hard"))).nlink, 2);
    const mode = mounter === copyMounter ? 0o555 : 0o755;
    assert.equal((await lstat(join(at, "d/f"))).mode & 0o7777, mode, "runs; a copy cannot be written to");
    if (mounter === bindMounter) {
      await assert.rejects(writeFile(join(at, "new"), ""), { code: "EROFS" });
      const line = (await mountTable()).find((l) => l.mountPoint === at);
      for (const flag of ["ro", "nosuid", "nodev"]) assert.ok(line?.options.includes(flag), flag);
    }
    assert.deepEqual(await mount(cache.path, volume, at, only, call), record, "twice is once");
    await checkMountPoint(cache.path, at, volume.manifest, call);
    await using second = await cache.volume(other, "v", {}, call);
    await assert.rejects(mount(cache.path, second, at, only, call), code("mount-path-busy"));
    await assert.rejects(checkMountPoint(cache.path, at, second.manifest, call), {
      code: "mount-path-busy",
      hint: `imgvol unmount '${at}'`,
    });
    if (mounter === bindMounter) {
      await using _open = await open(join(at, "d/f"));
      await assert.rejects(unmount(cache.path, at, call), { code: "mount-path-busy", hint: /end that/ });
    }
    await unmount(cache.path, at, call);
    await assert.rejects(lstat(at), { code: "ENOENT" });
    await assert.rejects(unmount(cache.path, at, call), code("not-mounted"));
    await assert.rejects(unmount(cache.path, join(at, "deep/x"), call), code("not-mounted"));
    await checkMountPoint(cache.path, at, volume.manifest, call);
    assert.deepEqual(await readdir(join(cache.path, "mounts")), []);
    assert.deepEqual(
      (await cache.verify(call)).flatMap((v) => v.findings),
      [],
    );
  });

  test(`${mounter.name}: a folder that was there stays, one that is not empty is refused`, async () => {
    await using volume = await cache.volume(store, "v", {}, call);
    const at = join(folder, `${mounter.name}-there`);
    await mkdir(at);
    await symlink(at, `${at}-link`);
    await mount(cache.path, volume, `${at}-link`, { ...only, subPath: "d" }, call);
    assert.deepEqual(await readdir(at), ["f"]);
    await unmount(cache.path, at, call);
    assert.deepEqual(await readdir(at), []);
    await writeFile(join(at, "mine"), "");
    await assert.rejects(mount(cache.path, volume, at, only, call), code("mount-path-busy"));
    await assert.rejects(mount(cache.path, volume, join(at, "mine"), only, call), code("mount-path-invalid"));
    await assert.rejects(mount(cache.path, volume, join(at, "a/b"), only, call), code("mount-path-invalid"));
    for (const [path, refused] of [
      [at, "mount-path-busy"],
      [join(at, "mine"), "mount-path-invalid"],
      [join(at, "a/b"), "mount-path-invalid"],
    ] as const)
      await assert.rejects(checkMountPoint(cache.path, path, volume.manifest, call), code(refused));
    await assert.rejects(
      mount(cache.path, volume, at, { ...only, subPath: "nope" }, call),
      code("subpath-missing"),
    );
    assert.deepEqual(await readdir(at), ["mine"]);
    assert.deepEqual(await readdir(join(cache.path, "mounts")), []);
  });

  test(`${mounter.name}: a mount that failed, or was cut short, leaves nothing in the way`, async () => {
    await using volume = await cache.volume(store, "v", {}, call);
    const at = join(folder, `${mounter.name}-cut`);
    const failing: Mounter = {
      ...mounter,
      async mount(record, c) {
        await mounter.mount(record, c);
        throw new Error("cut short");
      },
    };
    await assert.rejects(mount(cache.path, volume, at, { mounters: [failing] }, call), /cut short/);
    await assert.rejects(lstat(at), { code: "ENOENT" });
    // As after a kill: the record says that it had begun.
    const record = await mount(cache.path, volume, at, only, call);
    const [file = ""] = await readdir(join(cache.path, "mounts"));
    await writeFile(join(cache.path, "mounts", file), JSON.stringify({ ...record, complete: false }));
    assert.equal((await mount(cache.path, volume, at, only, call)).complete, true);
    await unmount(cache.path, at, call);
  });
}

test("copy: what a user put in the copy's place is never removed", async () => {
  const only = { mounters: [copyMounter] };
  await using volume = await cache.volume(store, "v", {}, call);
  const at = join(folder, "taken-over");
  const record = await mount(cache.path, volume, at, only, call);
  await chmod(at, 0o755);
  await writeFile(join(at, "mine"), "");
  await assert.rejects(unmount(cache.path, at, call), code("mount-path-busy"));
  assert.deepEqual(await readdir(at), ["d", "hard", "link", "mine"]);

  // As after a kill at the very beginning: the folder was the user's own again since then.
  const [file = ""] = await readdir(join(cache.path, "mounts"));
  await writeFile(join(cache.path, "mounts", file), JSON.stringify({ ...record, complete: false }));
  await assert.rejects(mount(cache.path, volume, at, only, call), code("mount-path-busy"));
  assert.deepEqual(await readdir(at), ["d", "hard", "link", "mine"]);

  await removeTree(at);
  await unmount(cache.path, at, call);
  assert.deepEqual(await readdir(join(cache.path, "mounts")), []);
});

test("a bind-mounted volume is not pruned; a copied one may be", async () => {
  for (const mounter of working) {
    const at = join(folder, `${mounter.name}-pruned`);
    const volume = await cache.volume(store, "v", {}, call);
    await mount(cache.path, volume, at, { mounters: [mounter] }, call);
    const before = await picture(at);
    await volume[Symbol.asyncDispose]();
    const { kept } = await cache.prune({ all: true }, call);
    assert.deepEqual(
      kept.map((v) => v.manifest),
      mounter === bindMounter ? [volume.manifest] : [],
    );
    assert.deepEqual(await picture(at), before);
    await unmount(cache.path, at, call);
    assert.deepEqual((await cache.prune({ all: true }, call)).kept, []);
  }
});
