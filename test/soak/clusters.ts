import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { type NativeOptions, nativeDown, nativeUp } from "../../src/native/index.ts";
import { lookAtMachine } from "../cluster/machine.ts";
import { programs } from "../cluster/programs.ts";
import { numbersFrom } from "./numbers.ts";

export interface ClusterFigures {
  /** How long `up` took, in milliseconds, the shortest first. */
  readonly ups: readonly number[];
  readonly downs: readonly number[];
  readonly killed: number;
}

/**
 * Brings a cluster up and down again and again, and kills every third `up` at a moment of its own; after each `down` the
 * machine must be as it was.
 */
export async function clustersComeAndGo(rounds: number, seed: number): Promise<ClusterFigures> {
  const next = numbersFrom(seed);
  const call = quietCall();
  await using folder = await temporaryFolder(tmpdir(), "imgvol-soak-clusters-");
  const options: NativeOptions = {
    ...programs,
    name: "soak",
    clusters: folder.path,
    apiPort: 0,
    registryPort: 0,
  };
  const down = (): Promise<boolean> => nativeDown({ name: "soak", clusters: folder.path }, call);
  const ups: number[] = [];
  const downs: number[] = [];
  let killed = 0;
  const before = await lookAtMachine();
  for (let round = 0; round < rounds; round++) {
    if (round % 3 === 2) {
      await killedUp(options, next() * 6000);
      killed++;
      await down();
    } else {
      ups.push(await timed(() => nativeUp(options, call)));
      downs.push(await timed(down));
    }
    assert.deepEqual(await lookAtMachine(), before, `round ${round}, seed ${seed}`);
  }
  const sorted = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b);
  return { ups: sorted(ups), downs: sorted(downs), killed };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** An `up` in a process of its own, killed after some time. */
async function killedUp(options: NativeOptions, after: number): Promise<void> {
  const child = fork(join(import.meta.dirname, "../cluster/up-process.ts"), [], {
    env: { ...process.env, IMGVOL_TEST_UP: JSON.stringify(options) },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const ended = once(child, "exit");
  await Promise.race([sleep(after), ended]);
  child.kill("SIGKILL");
  await ended;
}
