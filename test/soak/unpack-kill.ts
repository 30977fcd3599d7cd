import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quietCall, removeTree } from "../../src/base/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { openCache } from "../../src/volume/index.ts";
import { picture, putImage, type Raw, tarOf } from "../volume/images.ts";

export interface KillReport {
  readonly seed: number;
  readonly kills: number;
  /** How many of the processes had not ended by themselves before. */
  readonly hit: number;
}

/** A small generator of numbers below 1, so that a failure can be repeated (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Kills pull-and-unpack `kills` times, at points spread over its time. After each: no half-visible volume, the next process
 * succeeds and gives the same tree as an undisturbed one, and nothing is left of the dead one.
 */
export async function killUnpack(kills: number, seed: number): Promise<KillReport> {
  const call = quietCall();
  const folder = await mkdtemp(join(tmpdir(), "imgvol-kill-"));
  try {
    const layout = join(folder, "layout");
    await mkdir(layout);
    await using store = await openLayout(layout, { create: true }, call);
    const next = random(seed);
    await putImage(store, "v", [
      tarOf(entries(next)),
      tarOf([{ path: "d1/.wh.f1" }, { path: "new", body: "n" }]),
    ]);
    const calm = await openCache(join(folder, "calm"));
    const started = performance.now();
    assert.equal(await use(layout, calm.path), 0);
    const whole = performance.now() - started;
    await using expected = await calm.volume(store, "v", {}, call);
    const tree = await picture(expected.root);

    let hit = 0;
    for (let i = 0; i < kills; i++) {
      const cache = await openCache(join(folder, `cache-${i}`));
      const code = await use(layout, cache.path, ((i + next()) / kills) * whole);
      if (code === null) hit++;
      const what = `seed ${seed}, kill ${i}`;
      for (const { findings } of await cache.verify(call)) assert.deepEqual(findings, [], what);
      for (const { root } of await cache.list(call)) assert.deepEqual(await picture(root), tree, what);
      assert.equal(await use(layout, cache.path), 0, what);
      const [listed] = await cache.list(call);
      assert.deepEqual(await picture(listed?.root ?? ""), tree, what);
      await cache.prune({}, call);
      assert.deepEqual(await readdir(join(cache.path, "tmp")), [], what);
      assert.equal((await cache.prune({ all: true }, call)).removed.length, 1, what);
      await removeTree(cache.path);
    }
    return { seed, kills, hit };
  } finally {
    await removeTree(folder);
  }
}

function entries(next: () => number): Raw[] {
  const noise = Buffer.from(Array.from({ length: 1 << 20 }, () => Math.floor(next() * 256)));
  // No more than kills need to fall between two of them: before ext4 makes a file it looks past each that was deleted within the
  // last minutes, and every round deletes what it made.
  const many = Array.from({ length: 400 }, (_, i) => ({
    path: `d${i % 7}/f${i}`,
    body: noise.subarray(i, i + 11_000),
  }));
  return [{ path: "big", body: Buffer.concat(Array.from({ length: 8 }, () => noise)) }, ...many];
}

/** A process that wants the volume. Null where it was killed, after `after` milliseconds. */
function use(layout: string, cache: string, after?: number): Promise<number | null> {
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { openLayout } from ${url("../../src/store/index.ts")};
    import { openCache } from ${url("../../src/volume/index.ts")};
    const call = { signal: new AbortController().signal };
    const store = await openLayout(${JSON.stringify(layout)}, {}, call);
    const cache = await openCache(${JSON.stringify(cache)});
    await (await cache.volume(store, "v", {}, call))[Symbol.asyncDispose]();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const timer = after === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: "string" }, seed: { type: "string" } } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const report = await killUnpack(Number(values.kills ?? 20), seed);
  console.log(
    `${report.kills} kills, ${report.hit} while it ran: nothing half-visible, the next run succeeded each time`,
  );
}
