import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lock, quietCall, temporaryFolder } from "../../src/base/index.ts";
import {
  collectFolder,
  folderBacking,
  type GcOptions,
  registryHandler,
  serveControl,
} from "../../src/registry/index.ts";
import { exchange, pushBlob, pushImage } from "./exchange.ts";

/** Longer than any address of a Unix socket. */
const LONG = join("a".repeat(60), "b".repeat(60));

/** A registry over `dir` that can be asked, as `startRegistry` puts it together. */
async function serving(
  dir: string,
): Promise<AsyncDisposable & { readonly registry: ReturnType<typeof registryHandler> }> {
  const backing = await folderBacking(dir);
  const registry = registryHandler(backing);
  const control = await serveControl(dir, registry.collect, assert.fail);
  return {
    registry,
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await backing[Symbol.asyncDispose]();
    },
  };
}

for (const below of ["short", LONG]) {
  test(`gc of a folder that a server has is the server's; else it is done here (${below.slice(0, 5)})`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
    const dir = join(folder.path, below);
    {
      await using server = await serving(dir);
      await pushImage(server.registry, "kept", "v1");
      await pushBlob(server.registry, "a", "unused");
      const dry = await collectFolder(dir, { grace: 0, dryRun: true }, quietCall());
      assert.deepEqual([dry.dryRun, dry.bytes], [true, 6]);
      assert.equal((await collectFolder(dir, {}, quietCall())).bytes, 0);
      const report = await collectFolder(dir, { grace: 0 }, quietCall());
      assert.deepEqual(
        report.repositories.map(({ name, bytes, removed }) => [name, bytes, removed]),
        [["a", 6, true]],
      );
      // The server knows: what was pushed there next is not lost with the folder.
      await pushBlob(server.registry, "a", "more");
      const { mode } = await stat(join(dir, "_control"));
      assert.equal(mode & 0o777, 0o700);
      assert.equal((await stat(join(dir, "_control", "socket"))).mode & 0o777, 0o600);
    }
    assert.deepEqual(await readdir(join(dir, "_control")), []);
    assert.equal((await collectFolder(dir, { grace: 0 }, quietCall())).bytes, 4);
    await using backing = await folderBacking(dir);
    assert.ok(await backing.find("kept", quietCall()), "the lock was given back");
  });
}

test("gc takes the place of a server that was killed, whose socket is still there", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await mkdir(join(folder.path, "_control"));
  const killed = createServer().listen(join(folder.path, "_control", "old"));
  await once(killed, "listening");
  await writeFile(join(folder.path, "_control", "socket"), "");
  await writeFile(join(folder.path, "_lock"), "");
  assert.equal((await collectFolder(folder.path, {}, quietCall(), 0)).bytes, 0);
  killed.close();
  await using server = await serving(folder.path);
  assert.equal((await collectFolder(folder.path, {}, quietCall(), 0)).bytes, 0);
  assert.equal((await exchange(server.registry, "GET", "/v2/")).status, 200);
});

test("a folder has one owner: a gc that runs, and a server, refuse each other", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using _held = await lock(join(folder.path, "_lock"), "exclusive", quietCall());
  await assert.rejects(collectFolder(folder.path, {}, quietCall(), 0), { code: "registry-locked" });
  await assert.rejects(folderBacking(folder.path), { code: "registry-locked" });
  assert.deepEqual(await readdir(folder.path), ["_lock"]);
});

test("gc of what is no registry's folder makes none of it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await writeFile(join(folder.path, "notes"), "not ours");
  for (const dir of [folder.path, join(folder.path, "missing")]) {
    await assert.rejects(collectFolder(dir, {}, quietCall(), 0), { code: "folder-unusable" });
  }
  assert.deepEqual(await readdir(folder.path), ["notes"]);
});

test("who asked a server for gc and hangs up ends it there; its failures are told", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using _held = await lock(join(folder.path, "_lock"), "exclusive", quietCall());
  const asked: GcOptions[] = [];
  let begun = (): void => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  await using _control = await serveControl(folder.path, async (options, { signal }) => {
    asked.push(options);
    if (options.untagged) throw new Error("no room");
    begun();
    await once(signal, "abort");
    end();
    throw signal.reason;
  });
  await assert.rejects(collectFolder(folder.path, { untagged: true }, quietCall(), 0), {
    code: "gc-failed",
    message: /no room/,
  });
  const gone = new AbortController();
  const collecting = collectFolder(folder.path, { grace: 5 }, quietCall(gone.signal), 0);
  await beginning;
  gone.abort(new Error("enough"));
  await assert.rejects(collecting, /enough/);
  await ended;
  assert.deepEqual(asked, [
    { untagged: true, dryRun: false },
    { grace: 5, untagged: false, dryRun: false },
  ]);
});
