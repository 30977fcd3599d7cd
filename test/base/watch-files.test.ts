import assert from "node:assert/strict";
import { mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fingerprint, temporaryFolder, watchFiles } from "../../src/base/index.ts";

test("files that are written, replaced, removed, or reached by another link are noticed, each time", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-watch-");
  const at = (name: string): string => join(folder.path, name);
  for (const version of ["v1", "v2"]) {
    await mkdir(at(version));
    await writeFile(at(`${version}/file`), version);
  }
  // As Kubernetes mounts a Secret.
  await symlink("v1", at("data"));
  await symlink("data/file", at("file"));
  const paths = [at("file"), at("other")];
  let notice = (): void => {};
  await using _watch = watchFiles(paths, await fingerprint(paths), async () => notice(), 5);
  for (const change of [
    () => writeFile(at("other"), "there"),
    () => writeFile(at("other"), "there again"),
    // As long as it was. A second write may carry the time of the first: clocks of files tick every few milliseconds.
    () => utimes(at("other"), 1, 1),
    () => rm(at("other")),
    async () => {
      await symlink("v2", at("next"));
      await rename(at("next"), at("data"));
    },
  ]) {
    const noticed = new Promise<void>((resolve) => {
      notice = resolve;
    });
    await change();
    await noticed;
  }
});

test("what changed between reading and watching is noticed too; after dispose nothing is", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-watch-");
  const file = join(folder.path, "file");
  const since = await fingerprint([file]);
  await writeFile(file, "new");
  let times = 0;
  let notice = (): void => {};
  const noticed = new Promise<void>((resolve) => {
    notice = resolve;
  });
  const watch = watchFiles(
    [file],
    since,
    async () => {
      times++;
      notice();
    },
    5,
  );
  await noticed;
  await watch[Symbol.asyncDispose]();
  await writeFile(file, "newer");
  assert.equal(times, 1);
});
