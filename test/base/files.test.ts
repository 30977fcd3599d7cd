import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  BaseError,
  collect,
  exists,
  formatBytes,
  fromBytes,
  fromFile,
  ImgvolError,
  isAbort,
  lock,
  makeFolder,
  printable,
  quietCall,
  ResourceStack,
  replaceFile,
  temporaryFolder,
  tryLock,
} from "../../src/base/index.ts";

test("a replaced file is whole, has its mode and leaves nothing beside it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  const path = join(folder.path, "a.json");
  await replaceFile(path, Buffer.from("one"));
  await replaceFile(path, Buffer.from("two"), 0o600);
  assert.equal(await readFile(path, "utf8"), "two");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await mkdir(join(folder.path, "taken"));
  await assert.rejects(replaceFile(join(folder.path, "taken"), Buffer.from("x")));
  assert.deepEqual((await readdir(folder.path)).sort(), ["a.json", "taken"]);
});

test("a folder is made with those above it, each with its mode, and one that cannot be is refused", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  const deep = join(folder.path, "a", "b", "c");
  assert.equal(await makeFolder(deep, 0o700), join(folder.path, "a"));
  assert.equal(await makeFolder(deep), undefined);
  for (const path of [deep, join(deep, ".."), join(folder.path, "a")]) {
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  }
  await writeFile(join(folder.path, "file"), "");
  await symlink("nowhere", join(folder.path, "link"));
  for (const [path, code] of [
    [join(folder.path, "file"), "EEXIST"],
    [join(folder.path, "link"), "EEXIST"],
    [join(folder.path, "file", "below"), "ENOTDIR"],
    // Nothing can be made in /proc, and it says that by ENOENT.
    ["/proc/imgvol", "ENOENT"],
    ["/proc/imgvol/below", "ENOENT"],
  ] as const) {
    await assert.rejects(makeFolder(path), { code }, path);
  }
});

test("resources close the last one first, all of them, and then the first error is told", async () => {
  const closed: string[] = [];
  const resource = (name: string): AsyncDisposable => ({
    async [Symbol.asyncDispose]() {
      closed.push(name);
      if (name !== "a") throw new Error(name);
    },
  });
  const stack = new ResourceStack();
  for (const name of ["a", "b", "c"]) stack.keep(resource(name));
  await assert.rejects(stack[Symbol.asyncDispose](), { message: "c" });
  assert.deepEqual(closed, ["c", "b", "a"]);
  await stack[Symbol.asyncDispose]();
});

test("a lock that cannot be made names the folder that refuses it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  await writeFile(join(folder.path, "file"), "");
  await mkdir(join(folder.path, "taken"));
  for (const [path, refusing] of [
    [join(folder.path, "file", "lock"), join(folder.path, "file")],
    [join(folder.path, "taken"), folder.path],
  ] as const) {
    await assert.rejects(tryLock(path, "exclusive"), {
      code: "folder-unwritable",
      message: `cannot write to the folder ${refusing}`,
    });
  }
});

test("a temporary folder is private and goes with its scope", async () => {
  let path = "";
  {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
    path = folder.path;
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    await writeFile(join(path, "x"), "");
  }
  assert.equal(await exists(path), false);
});

test("a name that no disk takes is wrong use, not a failure of the disk's", async () => {
  const path = join(tmpdir(), "n".repeat(256));
  await assert.rejects(exists(path), { code: "name-too-long", wrongUse: true });
});

test("sources are read from any offset, again and again", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  const bytes = Buffer.alloc(1_300_000, "0123456789");
  const path = join(folder.path, "big");
  await writeFile(path, bytes);
  for (const source of [fromBytes(bytes), fromFile(path)]) {
    for (const offset of [0, 1, 700_000, bytes.length, bytes.length + 5, 0]) {
      const read = await collect(source.open(offset, quietCall()), bytes.length, "it");
      assert.ok(Buffer.from(read).equals(bytes.subarray(offset)));
    }
  }
  await assert.rejects(
    collect(fromBytes(bytes).open(0, quietCall()), 10, "it"),
    (e: unknown) => e instanceof BaseError && e.code === "too-large",
  );
});

test("a lock excludes, is shared among readers, and waits no longer than its caller", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  const path = join(folder.path, "deep", "lock");
  {
    await using held = await lock(path, "exclusive", quietCall());
    assert.ok(held);
    assert.equal(await tryLock(path, "exclusive"), undefined);
    assert.equal(await tryLock(path, "shared"), undefined);
    await assert.rejects(lock(path, "exclusive", quietCall(AbortSignal.timeout(30))));
  }
  await using reader = await lock(path, "shared", quietCall());
  await using another = await tryLock(path, "shared");
  assert.ok(reader && another);
  assert.equal(await tryLock(path, "exclusive"), undefined);
});

test("the lock of a killed process is free", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-files-");
  const path = join(folder.path, "lock");
  const module = new URL("../../src/base/index.ts", import.meta.url).href;
  const program = `const { lock, quietCall } = await import(${JSON.stringify(module)});
    globalThis.held = await lock(${JSON.stringify(path)}, "exclusive", quietCall());
    process.stdout.write("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child.stdout, "data");
  assert.equal(await tryLock(path, "exclusive"), undefined);
  child.kill("SIGKILL");
  await once(child, "exit");
  await using taken = await tryLock(path, "exclusive");
  assert.ok(taken);
});

test("text from outside cannot steer a terminal", () => {
  assert.equal(printable("a\u001b[31mb\r\n"), "a\\u{1b}[31mb\\u{d}\\u{a}");
  assert.equal(printable("safe ünïcode 漢字 🚀"), "safe ünïcode 漢字 🚀");
  assert.equal(printable("x\u202egnp.exe"), "x\\u{202e}gnp.exe");
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1536), "1.50 KiB");
  assert.equal(formatBytes(50 * 1024 ** 3), "50.0 GiB");
});

test("an abort is known through its causes", () => {
  const abort = new DOMException("stopped", "AbortError");
  assert.equal(isAbort(new ImgvolError("x", "y", { cause: abort })), true);
  assert.equal(isAbort(new ImgvolError("x", "y")), false);
});
