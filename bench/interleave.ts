// Times whole commands against each other: A B C A B C …, so that a machine whose speed drifts is fair to all.
import { spawnSync } from "node:child_process";

export interface Job {
  readonly name: string;
  /** A shell line; its wall time is what counts. */
  readonly line: string;
  /** Run before each round, outside the time. */
  readonly before?: string;
  /** Gives the bytes that the job sent, after it ran. */
  bytes?(): Promise<number>;
}

export interface Timing {
  readonly name: string;
  /** Seconds, one a round. */
  readonly seconds: readonly number[];
  readonly bytes: number | undefined;
}

function shell(line: string, what: string): void {
  const run = spawnSync("bash", ["-c", `set -euo pipefail; ${line}`], {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`${what} failed (${run.status}): ${run.stderr.slice(-2000)}`);
}

/** Runs every job `rounds` times, in turn, after one round that does not count. */
export async function interleave(jobs: readonly Job[], rounds: number): Promise<readonly Timing[]> {
  const seconds = new Map<string, number[]>(jobs.map((job) => [job.name, []]));
  const bytes = new Map<string, number>();
  for (let round = -1; round < rounds; round++) {
    for (const job of jobs) {
      if (job.before !== undefined) shell(job.before, `${job.name}, before`);
      const began = performance.now();
      shell(job.line, job.name);
      const took = (performance.now() - began) / 1000;
      if (round >= 0) seconds.get(job.name)?.push(took);
      if (job.bytes !== undefined) bytes.set(job.name, await job.bytes());
    }
  }
  return jobs.map(({ name }) => ({ name, seconds: seconds.get(name) ?? [], bytes: bytes.get(name) }));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

/** The median of the pairwise ratios ours/theirs: noise that lasts longer than a round cancels out. */
export function ratio(ours: Timing, theirs: Timing): number {
  return median(ours.seconds.map((s, i) => s / (theirs.seconds[i] ?? Number.NaN)));
}
