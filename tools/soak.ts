// Runs the long tests: `node tools/soak.ts [--full] [--seed N] [name…]`. Without --full, a sample of each that a CI has time for.
// Prints the seed, the figures and one closing line; exit 1 where one failed.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { clustersComeAndGo } from "../test/soak/clusters.ts";
import { cutTransfers, tellCuts } from "../test/soak/cuts.ts";
import { flakyTransfers, tellFlaky } from "../test/soak/flaky.ts";
import { distributionRegistry, ownRegistry } from "../test/soak/flaky-registries.ts";
import { killEverything } from "../test/soak/kill.ts";
import { killWriters } from "../test/soak/layout-kill.ts";
import { MEMORY_LIMIT, measureMemory, tellMemory } from "../test/soak/memory.ts";
import { soakRegistry } from "../test/soak/registry.ts";
import { sendSpans } from "../test/soak/spans.ts";
import { killUnpack } from "../test/soak/unpack-kill.ts";

interface Soak {
  readonly name: string;
  readonly sample: number;
  readonly full: number;
  /** Left out of the sample: another suite does it at that length. */
  readonly elsewhere?: true;
  /** Gives its figures as lines; throws where something did not hold. */
  run(count: number, seed: number): Promise<readonly string[]>;
}

const soaks: readonly Soak[] = [
  {
    name: "kill",
    sample: 20,
    full: 200,
    async run(count, seed) {
      const { kills, hit, waited, journeys } = await killEverything(count, seed);
      const first = `${kills} kills, ${hit} before the end; each next run succeeded`;
      return [
        first,
        `${waited} commands waited for a registry that was killed and started again`,
        ...journeys,
      ];
    },
  },
  {
    name: "kill-layout",
    sample: 20,
    full: 200,
    async run(count, seed) {
      const { rounds, kept, swept } = await killWriters(count, seed);
      return [`${rounds} rounds of two writers; ${kept} tags kept, leftovers swept in ${swept} rounds`];
    },
  },
  {
    name: "kill-archive",
    sample: 8,
    full: 100,
    async run(count, seed) {
      const { rounds, kept, swept } = await killWriters(count, seed, "archive");
      return [`${rounds} rounds of two writers; ${kept} tags kept, leftovers swept in ${swept} rounds`];
    },
  },
  {
    name: "kill-unpack",
    sample: 20,
    full: 200,
    async run(count, seed) {
      const { kills, hit } = await killUnpack(count, seed);
      return [`${kills} kills by time, ${hit} before the end`];
    },
  },
  {
    name: "transfers",
    sample: 30,
    full: 300,
    async run(count, seed) {
      await using own = await ownRegistry();
      await using distribution = await distributionRegistry();
      const report = await flakyTransfers({ count, seed, registries: [own, distribution] });
      return tellFlaky(report);
    },
  },
  {
    name: "transfer-cuts",
    // What is on its way when a connection is cut is lost, some 4 MiB each time: of less than this it would be too large a part.
    sample: 256 * 1024 ** 2,
    full: 1024 ** 3,
    run: async (count, seed) => tellCuts(await cutTransfers(count, seed)),
  },
  {
    name: "registry",
    sample: 5,
    full: 100,
    async run(count, seed) {
      const r = await soakRegistry(count, seed);
      const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
      return [
        `${r.kills} kills; ${r.pushed} pushes acknowledged, ${r.pulled} pulls, ${r.deleted} deletes, ${r.lost} tried again`,
        `${r.standing} images stand, byte for byte; ${r.collections} collections of garbage freed ${mb(r.freed)}`,
        `the server took at most ${mb(r.peak)}`,
      ];
    },
  },
  {
    name: "clusters",
    sample: 3,
    full: 30,
    async run(count, seed) {
      const { ups, downs, killed } = await clustersComeAndGo(count, seed);
      const seconds = (times: readonly number[]): string => {
        const at = (part: number): string =>
          ((times[Math.floor((times.length - 1) * part)] ?? 0) / 1000).toFixed(1);
        return `${at(0.5)} s (${at(0)} to ${at(1)})`;
      };
      return [
        `${ups.length} up in ${seconds(ups)}, down in ${seconds(downs)}, ${killed} killed on the way up; nothing left`,
      ];
    },
  },
  {
    name: "spans",
    sample: 100_000,
    full: 1_000_000,
    async run(count) {
      const r = await sendSpans(count);
      if (r.peak > 1024 ** 3) throw new Error(`the dashboard took ${Math.round(r.peak / 1e6)} MB`);
      return [
        `${r.stored} of ${r.sent} acknowledged spans stored in ${r.seconds.toFixed(0)} s, ${r.turnedAway} requests turned away, at most ${Math.round(r.peak / 1e6)} MB`,
        `kill -9: ${r.afterKill[0]} acknowledged, ${r.afterKill[1]} there`,
      ];
    },
  },
  {
    name: "memory",
    sample: 256 * 1024 ** 2,
    full: 4 * 1024 ** 3,
    elsewhere: true,
    async run(count) {
      const figures = await measureMemory(count, 50_000);
      const lines = tellMemory(figures);
      if (figures.some(({ peak }) => peak > MEMORY_LIMIT))
        throw new Error(`over 160 MB:\n${lines.join("\n")}`);
      return lines;
    },
  },
];

const { values, positionals } = parseArgs({
  options: { full: { type: "boolean", default: false }, seed: { type: "string" } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const unknown = positionals.filter((name) => !soaks.some((soak) => soak.name === name));
if (unknown.length > 0 || !Number.isSafeInteger(seed)) {
  console.error(`error: not a soak: ${unknown.join(" ")}; there are ${soaks.map((s) => s.name).join(", ")}`);
  process.exit(2);
}
console.log(`seed ${seed}`);
// As tools/test.ts has it: most soaks start the command line, or a part of it, again and again.
process.env["NODE_COMPILE_CACHE"] ??= resolve(".cache/compile");

const chosen = soaks.filter((soak) =>
  positionals.length > 0 ? positionals.includes(soak.name) : values.full || !soak.elsewhere,
);
let failed = 0;
// The full length gives figures of time: nothing else runs beside it. A sample only says whether all is well.
const lanes = values.full ? 1 : 2;
const left = [...chosen];
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let soak = left.shift(); soak !== undefined; soak = left.shift()) await runOne(soak);
  }),
);
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

/** Runs a soak, and tells of it when it is over: another may speak meanwhile. */
async function runOne(soak: Soak): Promise<void> {
  const count = values.full ? soak.full : soak.sample;
  const began = performance.now();
  console.log(`${soak.name} (${count}) begins`);
  const lines: string[] = [];
  try {
    lines.push(...(await soak.run(count, seed)));
  } catch (error) {
    lines.push(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    failed++;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log([`${soak.name} (${count}) took ${seconds} s`, ...lines].join("\n  "));
}
