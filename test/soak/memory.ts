// The peak of memory, summed over the process tree, of packing and unpacking: with much data, and with many files.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { removeTree, temporaryFolder } from "../../src/base/index.ts";
import { installed } from "../interop/installed.ts";

const MIB = 1024 ** 2;

/** What no journey may exceed. */
export const MEMORY_LIMIT: number = 160 * 1e6;

export interface MemoryFigure {
  /** What was done, as a user would type it. */
  readonly journey: string;
  /** Of resident memory, in bytes: the sum of every process's own peak, so never less than the peak of the sum. */
  readonly peak: number;
}

/**
 * Packs `bytes` random bytes and `files` small files in each compression, and unpacks each: the figures, in order. Of the
 * program as users have it: run from its sources, Node.js takes 40 MB more a thread to strip the types.
 * Needs about three times `bytes` of disk below the system's folder for temporary files.
 */
export async function measureMemory(bytes: number, files: number): Promise<MemoryFigure[]> {
  const figures: MemoryFigure[] = [];
  await using imgvol = await installed();
  await using folder = await temporaryFolder(tmpdir(), "imgvol-memory-");
  const { bavail, bsize } = await statfs(folder.path);
  assert.ok(bavail * bsize > 3.2 * bytes, `${folder.path} has no room for ${bytes} bytes three times`);
  const large = join(folder.path, "large");
  const many = join(folder.path, "many");
  await mkdir(large);
  await randomFile(join(large, "random"), bytes);
  await smallFiles(many, files);
  const measure = async (place: string, ...args: string[]): Promise<void> => {
    const peak = await peakOf([imgvol.program, ...args], {
      IMGVOL_CACHE: join(place, "cache"),
      TMPDIR: folder.path,
    });
    const journey = args.map((word) => word.replaceAll(`${place}/`, "").replaceAll(`${folder.path}/`, ""));
    figures.push({ journey: journey.join(" "), peak });
  };
  for (const what of ["large", "many"]) {
    for (const compression of ["auto", "none", "gzip", "zstd"]) {
      const place = join(folder.path, `${what}-${compression}`);
      await mkdir(place);
      const reference = `oci:${join(place, "layout")}:${what}`;
      const from = join(folder.path, what);
      await measure(place, "pack", from, "-t", reference, "--compress", compression);
      await measure(place, "export", reference, join(place, "out"));
      if (compression === "auto")
        await measure(place, "run", "-v", `${reference}:/imgvol-volume`, "--", "true");
      // Many files stay to the end: ext4 looks past each that was deleted within the last minutes before it makes another.
      if (what === "large") await removeTree(place);
    }
  }
  return figures;
}

/** The figures as lines, in decimal megabytes. */
export function tellMemory(figures: readonly MemoryFigure[]): string[] {
  return figures.map(({ journey, peak }) => `${(peak / 1e6).toFixed(0).padStart(4)} MB  imgvol ${journey}`);
}

/** AES in counter mode makes random bytes as fast as a disk takes them. */
async function randomFile(path: string, size: number): Promise<void> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const zeros = Buffer.alloc(MIB);
  const chunks = function* (): Generator<Buffer> {
    for (let left = size; left > 0; left -= MIB) yield cipher.update(zeros.subarray(0, Math.min(left, MIB)));
  };
  await pipeline(Readable.from(chunks()), createWriteStream(path));
}

async function smallFiles(dir: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const folder = join(dir, `package-${i % 50}`, `part-${i % 1000}`);
    if (i < 1000) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `file-${i}.js`), `export const number = ${i};\n`.repeat(1 + (i % 97)));
  }
}

/** Runs `imgvol` to its end, which must be 0, and gives its peak. */
async function peakOf(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const peaks = new Map<number, number>();
  const sampling = sample(child, peaks);
  const code = await ended;
  await sampling;
  assert.equal(code, 0, `${args.join(" ")}\n${said}`);
  assert.ok(peaks.size > 0, `${args.join(" ")} ended before it could be measured`);
  return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
}

/** Notes, until the child ends, the peak that the kernel keeps for it and for each process below it. */
async function sample(child: ChildProcess, peaks: Map<number, number>): Promise<void> {
  // Whose child a process is stays as it is: of those of others, each is looked at once.
  let others: ReadonlySet<number> = new Set();
  while (child.exitCode === null && child.signalCode === null) {
    const parents = new Map<number, number>();
    const found = new Map<number, number>();
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
    for (const pid of pids) {
      if (others.has(pid)) continue;
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const parent = /^PPid:\s*(\d+)/m.exec(status)?.[1];
      if (parent === undefined) continue;
      parents.set(pid, Number(parent));
      const peak = /^VmHWM:\s*(\d+) kB/m.exec(status)?.[1];
      if (peak !== undefined) found.set(pid, Number(peak) * 1024);
    }
    const isBelow = (pid: number): boolean => {
      let above: number | undefined = pid;
      while (above !== undefined && above !== child.pid) above = parents.get(above);
      return above !== undefined;
    };
    // The last word counts: between fork and exec a process still has its parent's peak.
    for (const [pid, peak] of found) if (isBelow(pid)) peaks.set(pid, peak);
    others = new Set(pids.filter((pid) => others.has(pid) || (parents.has(pid) && !isBelow(pid))));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
