// Preloaded (`node --import`) into a process that is to die: SIGKILL at its Nth file operation that changes the disk, or when N
// bytes have been written. Counts across the main thread and its workers through a small shared file, so that points are
// spread over everything the process does. The product knows nothing of this.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// Taken before they are wrapped below: an import would follow the wrapping, and count itself.
const { writeSync: countSync, fstatSync, openSync } = fs;

const operations = Number(process.env.KILL_AT_OPERATION ?? Number.POSITIVE_INFINITY);
const bytes = Number(process.env.KILL_AT_BYTE ?? Number.POSITIVE_INFINITY);
// One byte an operation is appended: the file's size is the count. KILL_COUNTER names the file.
const counter = openSync(process.env.KILL_COUNTER, "a");
const one = Buffer.alloc(1);
let written = 0;

function count(size) {
  written += size;
  countSync(counter, one);
  if (written >= bytes || fstatSync(counter).size >= operations) process.kill(process.pid, "SIGKILL");
}

const sizeOf = (args) => {
  const data = args.find((a) => ArrayBuffer.isView(a) || Array.isArray(a));
  if (Array.isArray(data)) return data.reduce((sum, part) => sum + part.byteLength, 0);
  return data?.byteLength ?? 0;
};

function wrap(owner, name) {
  const original = owner[name];
  if (typeof original !== "function") return;
  owner[name] = function (...args) {
    count(0);
    const result = Reflect.apply(original, this, args);
    if (/write/.test(name)) count(sizeOf(args));
    return result;
  };
}

const changing =
  "write writev writeFile rename link symlink mkdir mkdtemp rm rmdir unlink open truncate ftruncate chmod fchmod".split(
    " ",
  );
for (const name of [...changing, "fsync", "fdatasync", "copyFile", "utimes", "chown", "lchown"]) {
  wrap(fs.promises, name);
  wrap(fs, `${name}Sync`);
  wrap(fs, name);
}
const probe = await fs.promises.open(new URL(import.meta.url), "r");
const FileHandle = Object.getPrototypeOf(probe);
await probe.close();
for (const name of ["write", "writev", "writeFile", "sync", "datasync", "truncate", "chmod"])
  wrap(FileHandle, name);
syncBuiltinESMExports();
