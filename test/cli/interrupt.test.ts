import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { quietCall, removeTree, temporaryFolder } from "../../src/base/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { openCache } from "../../src/volume/index.ts";
import { putImage, type Raw, tarOf } from "../volume/images.ts";
import { type StalledRegistry, stalledRegistry } from "./stalled-registry.ts";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");
const call = quietCall();

interface Scene {
  /** All that the command may write is below. */
  readonly path: string;
  readonly registry: StalledRegistry;
  readonly child: ChildProcess;
  /** What the command has said so far on stdout. */
  said(): string;
}

interface Long {
  readonly name: string;
  args(path: string, remote: string): readonly string[];
  /** Makes what the command needs. */
  prepare?(path: string): Promise<void>;
  /** When the command is in the middle of its work. */
  busy(scene: Scene): Promise<unknown>;
  /** Of SIGINT and of SIGTERM. */
  readonly codes: readonly [number, number];
}

const halted = ({ registry }: Scene): Promise<void> => registry.halted;

const verbs: readonly Long[] = [
  {
    name: "pack, from a stdin that goes on",
    args: (path) => ["pack", "-", "-t", `oci:${path}/layout:v`],
    busy: feed,
    codes: [130, 143],
  },
  {
    name: "pack, from a stdin that falls silent",
    args: (path) => ["pack", "-", "-t", `oci:${path}/layout:v`],
    busy: waiting,
    codes: [130, 143],
  },
  {
    name: "login, before the password is typed",
    args: (_path, remote) => ["login", remote.split("/")[0] ?? "", "-u", "me", "--password-stdin"],
    busy: listening,
    codes: [130, 143],
  },
  {
    name: "pack, into a registry that stalls",
    args: (path, remote) => ["pack", `${path}/source`, "-t", remote],
    prepare: source,
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "copy, from a registry that stalls",
    args: (path, remote) => ["copy", remote, `oci:${path}/layout:v`],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "copy, into a registry that stalls",
    args: (path, remote) => ["copy", `oci:${path}/image:v`, remote],
    prepare: (path) => image(path),
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "export to a folder, while pulling",
    args: (path, remote) => ["export", remote, `${path}/out`],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "export to stdout, while pulling",
    args: (_path, remote) => ["export", remote, "-"],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "cat, while pulling",
    args: (_path, remote) => ["cat", remote, "big"],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "mount, while pulling",
    args: (path, remote) => ["mount", remote, `${path}/at`],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "run, while pulling",
    args: (_path, remote) => ["run", "-v", `${remote}:/imgvol-volume`, "--", "true"],
    busy: halted,
    codes: [130, 143],
  },
  {
    name: "run, while the command runs",
    args: (path) => [
      "run",
      "-v",
      `oci:${path}/image:v:/imgvol-volume`,
      "--",
      "sh",
      "-c",
      "echo up; exec sleep 1000",
    ],
    prepare: cached,
    busy: answered,
    codes: [130, 143],
  },
  {
    name: "run, of a command with an end of its own",
    args: (path) => [
      ...["run", "-v", `oci:${path}/image:v:/imgvol-volume`, "--", "sh", "-c"],
      "trap 'exit 7' INT TERM; echo up; while :; do sleep 0.05; done",
    ],
    prepare: cached,
    busy: answered,
    codes: [7, 7],
  },
  {
    name: "cache verify, between many files",
    args: () => ["cache", "verify"],
    prepare: many,
    busy: reading,
    codes: [130, 143],
  },
  {
    name: "registry serve, in the middle of an upload",
    args: (path) => {
      const serve = ["registry", "serve", "--listen", "127.0.0.1:0", "--dir", `${path}/served`];
      return [...serve, "--grace", "1s"];
    },
    busy: uploading,
    codes: [0, 0],
  },
  {
    name: "dashboard, with a page open",
    args: () => ["dashboard", "--otlp-grpc-port", "0", "--otlp-http-port", "0", "--ui-port", "0", "--json"],
    busy: watching,
    codes: [0, 0],
  },
];

for (const verb of verbs) {
  describe(verb.name, () => {
    let path: string;
    before(async () => {
      path = (await temporaryFolder(tmpdir(), "imgvol-interrupt-")).path;
      await mkdir(join(path, "tmp"));
      await verb.prepare?.(path);
    });
    after(() => removeTree(path));
    // One after the other in one place: what the first leaves does not keep the command from running again.
    for (const [index, signal] of (["SIGINT", "SIGTERM"] as const).entries()) {
      test(`${signal}: ${verb.name}`, () => interrupted(path, verb, signal, verb.codes[index] ?? 0));
    }
  });
}

async function interrupted(path: string, verb: Long, signal: NodeJS.Signals, code: number): Promise<void> {
  await using registry = await stalledRegistry();
  const mark = randomUUID();
  const before = new Set(await listing(path));
  const child = spawn(process.execPath, [main, ...verb.args(path, registry.reference)], {
    env: { ...process.env, TMPDIR: `${path}/tmp`, IMGVOL_CACHE: `${path}/cache`, IMGVOL_TEST_MARK: mark },
    // A group of its own, as a shell gives it: a terminal sends its Ctrl-C to all of the group.
    detached: true,
    stdio: "pipe",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("latin1");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {});
  const closed = once(child, "close");
  const scene: Scene = { path, registry, child, said: () => stdout };
  const early = closed.then(([ended]) =>
    Promise.reject(new Error(`${verb.name} ended too early with ${ended}: ${stderr}`)),
  );
  await Promise.race([verb.busy(scene), early]);
  const pid = child.pid ?? 0;
  process.kill(signal === "SIGINT" ? -pid : pid, signal);
  early.catch(() => {});
  const [ended, by] = await closed;
  assert.deepEqual([ended, by], [code, null], stderr);
  assert.doesNotMatch(stderr, /^ +at |error:/m);
  assert.deepEqual(await marked(mark), [], "no process is left");
  assert.ok(!(await readFile("/proc/self/mountinfo", "utf8")).includes(path), "no mount is left");
  const left = (await listing(path)).filter((name) => !before.has(name));
  const visible: string[] = [];
  for (const name of left) if (!(await harmless(path, name))) visible.push(name);
  assert.deepEqual(visible, [], "nothing is left");
}

/** What may stay: empty homes of stores, locks, whole blobs that no tag leads to, and uploads that may go on. */
async function harmless(path: string, name: string): Promise<boolean> {
  if (/^cache(?:\/(?:volumes|tmp|mounts|locks|locks\/[^/]+))?$/.test(name)) return true;
  if (/^served(?:\/_uploads|\/_lock|\/_control|\/image)?$/.test(name)) return true;
  // An upload may go on when the registry is back.
  if (/^served\/_uploads\/[0-9a-f-]{36}(?:\.json)?$/.test(name)) return true;
  const inLayout = /^(?:layout|served\/image\/_layout)(?:$|\/(.*))/.exec(name);
  if (inLayout === null) return false;
  const [, part = ""] = inLayout;
  if (/^(?:|oci-layout|\.imgvol|\.imgvol\/lock|\.imgvol\/writers|blobs|blobs\/sha256)$/.test(part))
    return true;
  const bytes = await readFile(join(path, name));
  if (part === "index.json") return JSON.parse(bytes.toString()).manifests.length === 0;
  return part === `blobs/sha256/${createHash("sha256").update(bytes).digest("hex")}`;
}

async function listing(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.map((e) => join(e.parentPath, e.name).slice(path.length + 1)).sort();
}

/** Processes that carry a mark in their environment. */
async function marked(mark: string): Promise<string[]> {
  const pids: string[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (environment.includes(mark)) pids.push(`${name} ${await readFile(`/proc/${name}/comm`, "utf8")}`);
  }
  return pids;
}

async function source(path: string): Promise<void> {
  await mkdir(join(path, "source"));
  await writeFile(join(path, "source", "big"), Buffer.alloc(8 << 20, "a seed of little noise"));
}

const LARGE: readonly Raw[] = [{ path: "big", body: Buffer.alloc(32 << 20) }];

/** An image in a layout. */
async function image(path: string, entries: readonly Raw[] = LARGE): Promise<void> {
  await using store = await openLayout(join(path, "image"), { create: true }, call);
  await putImage(store, "v", [tarOf(entries)]);
}

async function cached(path: string): Promise<void> {
  await image(path);
  await unpacked(path);
}

async function unpacked(path: string): Promise<void> {
  await using store = await openLayout(join(path, "image"), {}, call);
  const cache = await openCache(join(path, "cache"));
  await (await cache.volume(store, "v", {}, call))[Symbol.asyncDispose]();
}

/** A cached volume that takes seconds to be read. */
async function many(path: string): Promise<void> {
  await image(
    path,
    Array.from({ length: 20_000 }, (_, i) => ({ path: `d${i % 100}/${i}`, body: `${i}` })),
  );
  await unpacked(path);
}

/** Half of a tar, far more than a pipe holds: when it is taken, the other side reads. */
async function feed({ child }: Scene): Promise<void> {
  const half = tarOf([{ path: "f", body: Buffer.alloc(8 << 20) }]).subarray(0, 4 << 20);
  await new Promise<void>((resolve) => child.stdin?.write(half, () => resolve()));
}

/** The beginning of a tar is all that comes: when it is spooled, the command waits for more. */
async function waiting({ child }: Scene): Promise<void> {
  const beginning = tarOf([{ path: "f", body: Buffer.alloc(8 << 20) }]).subarray(0, 65_536);
  child.stdin?.write(beginning);
  for (const fds = `/proc/${child.pid}/fd`; ; await new Promise((resolve) => setImmediate(resolve))) {
    for (const fd of readdirSync(fds)) {
      const to = await readlink(join(fds, fd)).catch(() => "");
      if (!/\/imgvol-tar-.*\(deleted\)$/.test(to)) continue;
      if ((await stat(join(fds, fd))).size === beginning.length) return;
    }
  }
}

/** The command handles SIGHUP: the last that it sets, and the only one that Node.js never handles by itself. */
async function listening({ child }: Scene): Promise<void> {
  const caught = async (): Promise<bigint> =>
    BigInt(`0x${/^SigCgt:\s*(\S+)$/m.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))?.[1]}`);
  while (((await caught()) & 1n) === 0n) await new Promise((resolve) => setImmediate(resolve));
}

async function answered({ child, said }: Scene): Promise<string> {
  while (!said().includes("\n")) await once(child.stdout ?? child, "data");
  return said();
}

/** The command has a file of the volume open. */
async function reading({ child }: Scene): Promise<void> {
  for (const fds = `/proc/${child.pid}/fd`; ; await new Promise((resolve) => setImmediate(resolve))) {
    for (const fd of readdirSync(fds)) {
      const to = await readlink(join(fds, fd)).catch(() => "");
      if (/\/root\/d\d+\/\d+$/.test(to)) return;
    }
  }
}

async function uploading(scene: Scene): Promise<void> {
  const origin = (await answered(scene)).trim();
  const begun = await fetch(`${origin}/v2/image/blobs/uploads/`, { method: "POST" });
  const location = new URL(begun.headers.get("location") ?? "", origin);
  const sending = request(location, { method: "PATCH", headers: { "content-length": 64 << 20 } });
  sending.on("error", () => {});
  // More than the sockets hold: when it is taken, the registry writes it down.
  await new Promise<void>((resolve) => sending.write(Buffer.alloc(32 << 20), () => resolve()));
}

async function watching({ child, said }: Scene): Promise<void> {
  while (!/^}\n/m.test(said())) await once(child.stdout ?? child, "data");
  const { origin, searchParams } = new URL(JSON.parse(said()).url);
  const headers = { authorization: `Bearer ${searchParams.get("t")}` };
  const opened = request(`${origin}/api/events`, { headers }).on("error", () => {});
  opened.end();
  const [response] = await once(opened, "response");
  response.on("error", () => {}).resume();
}
