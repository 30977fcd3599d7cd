// Runs a suite with node:test: `node tools/test.ts unit|peers|cluster|lifecycle|pages|browser [name-part…]`.
// A skipped test fails the run unless test/skips.json lists its name with the reason.
import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** A file often waits: for a program that it started, for a registry, for a pod. One more than there are processors keeps these busy. */
const busy: number = availableParallelism() + 1;

const suites: Readonly<Record<string, { globs: string[]; concurrency: number }>> = {
  /** Needs Node alone; passes with root and without. */
  unit: { globs: ["test/!(interop|browser|cluster|soak|peers)/**/*.test.ts"], concurrency: busy },
  /** Against the field's own tools, fetched into .cache. Together they write one page: then one after the other. */
  peers: { globs: ["test/interop/**/*.test.ts"], concurrency: process.env["UPDATE"] === "1" ? 1 : busy },
  /** On real Kubernetes of this machine: root, and Go where its programs were not built yet. */
  cluster: { globs: ["test/cluster/**/!(lifecycle|pages).test.ts"], concurrency: busy },
  /** Alone, since the whole machine is compared before and after. */
  lifecycle: { globs: ["test/cluster/lifecycle.test.ts"], concurrency: 1 },
  /** Every line of the walk-through and of the examples, typed. */
  pages: { globs: ["test/cluster/pages.test.ts"], concurrency: 1 },
  /** In a real Chromium. */
  browser: { globs: ["test/browser/**/*.test.ts"], concurrency: 1 },
};

const [name = "unit", ...parts] = process.argv.slice(2);
const suite = suites[name];
if (suite === undefined) {
  console.error(`error: no suite ${name}; there are ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}
const files = suite.globs
  .flatMap((glob) => globSync(glob))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`error: suite ${name} has no such test`);
  process.exit(2);
}

// Tests start the command line hundreds of times: what was compiled once, types taken off, need not be again.
process.env["NODE_COMPILE_CACHE"] ??= resolve(".cache/compile");
// A cluster's programs take minutes to build: they are kept with the other peers, and not where a user's are.
if (["cluster", "lifecycle", "pages"].includes(name))
  process.env["IMGVOL_CACHE"] ??= resolve(".cache/imgvol");

const reasons: Readonly<Record<string, string>> = JSON.parse(readFileSync("test/skips.json", "utf8"));
const unreasoned: string[] = [];
const stream = run({ files, concurrency: suite.concurrency, timeout: 15 * 60_000 });
stream.on("test:fail", () => {
  process.exitCode = 1;
});
stream.on("test:pass", (test) => {
  const skipped = test.skip !== undefined || test.todo !== undefined;
  if (skipped && reasons[test.name] === undefined) unreasoned.push(test.name);
});
const took = new Map<string, number>();
stream.on("test:summary", ({ file, duration_ms }) => {
  if (file !== undefined) took.set(relative(".", file), duration_ms / 1000);
});
const told = stream.compose(spec);
told.pipe(process.stdout);
told.on("end", () => {
  tellSlowest();
  for (const test of unreasoned) console.error(`error: skipped without a reason in test/skips.json: ${test}`);
  if (unreasoned.length > 0) process.exitCode = 1;
});

/** Where the time goes: what a suite takes is that of a few files. */
function tellSlowest(): void {
  const slowest = [...took].sort(([, a], [, b]) => b - a).slice(0, 10);
  const sum = [...took.values()].reduce((total, seconds) => total + seconds, 0);
  console.log(`the slowest of ${took.size} files, which took ${sum.toFixed(0)} s one by one:`);
  for (const [file, seconds] of slowest) console.log(`${seconds.toFixed(1).padStart(8)} s  ${file}`);
}
