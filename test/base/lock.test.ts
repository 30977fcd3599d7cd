import assert from "node:assert/strict";
import { readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockInPlace, passingLock, quietCall, temporaryFolder, tryLock } from "../../src/base/index.ts";

test("of many that lock a file which each removes, one is at work at a time", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-lock-");
  const path = join(folder.path, "lock");
  let running = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    await using _held = await passingLock(path, quietCall());
    assert.equal(++running, 1);
    await readdir(folder.path);
    running--;
    done++;
  };
  await Promise.all(Array.from({ length: 20 }, work));
  assert.deepEqual([done, await readdir(folder.path)], [20, []]);
});

test("who waits for a lock whose file was removed gets the file that is there", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-lock-");
  const path = join(folder.path, "lock");
  const first = await lockInPlace(path, quietCall());
  const second = lockInPlace(path, quietCall());
  await rm(path);
  await first[Symbol.asyncDispose]();
  await using _held = await second;
  assert.equal(await tryLock(path, "exclusive"), undefined);
});

test("a lock's file that is removed later is its owner's alone: whoever may read it could hold it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-lock-");
  const path = join(folder.path, "new", "lock");
  await using _held = await lockInPlace(path, quietCall());
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("who waits for a lock can give up", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-lock-");
  const path = join(folder.path, "lock");
  await using _held = await lockInPlace(path, quietCall());
  const cancelled = new AbortController();
  const waiting = lockInPlace(path, quietCall(cancelled.signal));
  cancelled.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});
