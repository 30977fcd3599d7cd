// Preloaded (`node --import`) into a process that is to die: SIGKILL at its Nth operation that changes the disk or sends
// something, or when N bytes have been written. Counts across the main thread, its workers and its child processes through two small shared files,
// so that points are spread over everything that is done. KILL_COUNTER names them. The product knows nothing of this.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import threads from "node:worker_threads";

// Taken before they are wrapped below: an import would follow the wrapping, and count itself.
const { writeSync: countSync, fstatSync, openSync } = fs;

const operations = Number(process.env.KILL_AT_OPERATION ?? Number.POSITIVE_INFINITY);
const bytes = Number(process.env.KILL_AT_BYTE ?? Number.POSITIVE_INFINITY);
// A file's size is the count: one byte an operation, and one byte for each 256 bytes written.
const counter = openSync(process.env.KILL_COUNTER, "a");
const byteCounter = openSync(`${process.env.KILL_COUNTER}.bytes`, "a");
const one = Buffer.alloc(1);

function count(size) {
  countSync(counter, one);
  if (size > 0) countSync(byteCounter, Buffer.alloc(Math.ceil(size / 256)));
  if (fstatSync(byteCounter).size * 256 >= bytes || fstatSync(counter).size >= operations)
    process.kill(process.pid, "SIGKILL");
}

const sizeOf = (args) => {
  const data = args.find((a) => ArrayBuffer.isView(a) || Array.isArray(a));
  if (Array.isArray(data)) return data.reduce((sum, part) => sum + part.byteLength, 0);
  return data?.byteLength ?? 0;
};

/** Opening a file to read it changes nothing, and happens for every module that is loaded. */
const readsOnly = ([, flags]) =>
  flags === undefined ||
  flags === null ||
  flags === "r" ||
  typeof flags === "function" ||
  (typeof flags === "number" && (flags & 3) === 0);

function wrap(owner, name) {
  const original = owner[name];
  if (typeof original !== "function") return;
  owner[name] = function (...args) {
    if (/^open/.test(name) && readsOnly(args)) return Reflect.apply(original, this, args);
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
// What is sent changes the other side.
wrap(Socket.prototype, "write");
// A worker that is given its own `execArgv` does not take NODE_OPTIONS over.
threads.Worker = class extends threads.Worker {
  constructor(script, options = {}) {
    const execArgv = [...(options.execArgv ?? process.execArgv), "--import", import.meta.url];
    super(script, { ...options, execArgv });
  }
};
syncBuiltinESMExports();
