// How fast registries take and give one large blob: ours beside docker-registry and olareg, in turn, in one run.
//   npm run build && node bench/registry.ts [--rounds 5] [--size 1024] [--only NAME]
// Needs Linux and root: the others are fetched as test/peers/ does. TMPDIR says on which disk. Prints tables in Markdown.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startDockerRegistry } from "../test/peers/docker-registry.ts";
import { startOlareg } from "../test/peers/olareg.ts";
import { type RunningRegistry, startServer } from "../test/peers/server.ts";
import { median } from "./interleave.ts";
import { Blob, get, patch, put } from "./registry-client.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    size: { type: "string", default: "1024" },
    only: { type: "string", default: "" },
  },
});
const size = Number(values.size) * 1024 ** 2;
delete process.env["NODE_EXTRA_CA_CERTS"];

interface Contestant {
  readonly name: string;
  /** Compared are those that keep a blob in the same kind of place. */
  readonly kind: "folder" | "memory";
  readonly ours?: true;
  /** Over an empty place, that is removed on dispose. */
  start(): Promise<RunningRegistry>;
}

const imgvol = resolve("bin/imgvol.cjs");
const serve = (...more: string[]): string[] => [
  imgvol,
  "registry",
  "serve",
  "--listen",
  "127.0.0.1:0",
  ...more,
];

const contestants: readonly Contestant[] = [
  {
    name: "imgvol --dir",
    kind: "folder",
    ours: true,
    async start() {
      const folder = mkdtempSync(join(tmpdir(), "imgvol-bench-registry-"));
      const cleanUp = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
      return await startServer(process.execPath, serve("--dir", folder), { cleanUp });
    },
  },
  { name: "docker-registry", kind: "folder", start: startDockerRegistry },
  { name: "olareg (dir)", kind: "folder", start: () => startOlareg({ store: "dir" }) },
  { name: "imgvol", kind: "memory", ours: true, start: () => startServer(process.execPath, serve()) },
  { name: "olareg (mem)", kind: "memory", start: () => startOlareg({ store: "mem" }) },
];

const JOBS = ["PUT", "PATCH", "GET"] as const;
type Job = (typeof JOBS)[number];

interface Figures {
  /** Wall time, one a round. */
  readonly seconds: Record<Job, number[]>;
  /** Of the processor, by the server, in all its threads. */
  readonly busy: Record<Job, number[]>;
  /** Of resident memory, in bytes. */
  peak: number;
}

function peakOf({ pid }: RunningRegistry): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Seconds that a process has had of the processor (proc_pid_stat(5): fields 14 and 15, in hundredths). */
function busyOf({ pid }: RunningRegistry): number {
  const [, after = ""] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  const fields = after.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function time(
  job: Job,
  figures: Figures,
  server: RunningRegistry,
  work: () => Promise<void>,
): Promise<void> {
  // What an earlier job left to be written is not this one's.
  execFileSync("sync");
  const before = busyOf(server);
  const began = performance.now();
  await work();
  figures.seconds[job].push((performance.now() - began) / 1000);
  figures.busy[job].push(busyOf(server) - before);
}

/** One round of one registry: a new one over an empty place, warmed up by a small blob. */
async function round(contestant: Contestant, figures: Figures): Promise<void> {
  await using server = await contestant.start();
  const { host } = server;
  const small = new Blob(Math.min(size, 64 * 1024 ** 2));
  await put(host, "bench/warm", small);
  await get(host, "bench/warm", small);
  const whole = new Blob(size);
  await time("PUT", figures, server, () => put(host, "bench/put", whole));
  await time("GET", figures, server, () => get(host, "bench/put", whole));
  const streamed = new Blob(size);
  await time("PATCH", figures, server, () => patch(host, "bench/patch", streamed));
  figures.peak = Math.max(figures.peak, peakOf(server));
}

const all = new Map<Contestant, Figures>();
const taking = contestants.filter((c) => values.only === "" || new RegExp(values.only).test(c.name));
const none = (): Record<Job, number[]> => ({ PUT: [], PATCH: [], GET: [] });
for (let i = 0; i < Number(values.rounds); i++) {
  for (const contestant of taking) {
    const figures = all.get(contestant) ?? { seconds: none(), busy: none(), peak: 0 };
    all.set(contestant, figures);
    await round(contestant, figures);
  }
}
for (const kind of ["folder", "memory"] as const) print(kind);

function print(kind: Contestant["kind"]): void {
  const rows = [...all].filter(([c]) => c.kind === kind);
  if (rows.length === 0) return;
  console.log(`\n### ${kind}: one blob of ${values.size} MiB below ${tmpdir()}\n`);
  console.log(`| registry | ${JOBS.map((job) => `${job} MB/s | CPU s`).join(" | ")} | peak MB |`);
  console.log(`|---|${"---|".repeat(2 * JOBS.length + 1)}`);
  const speed = (f: Figures, job: Job): number => size / 1e6 / median(f.seconds[job]);
  for (const [c, f] of rows) {
    const cells = JOBS.map((job) => {
      if (f.seconds[job].length === 0) return "– | –";
      const others = rows.filter(([other]) => !other.ours).map(([, g]) => speed(g, job));
      const best =
        c.ours && others.length > 0 ? ` (${(speed(f, job) / Math.max(...others)).toFixed(2)}x)` : "";
      return `${speed(f, job).toFixed(0)}${best} | ${median(f.busy[job]).toFixed(2)}`;
    });
    console.log(`| ${c.name} | ${cells.join(" | ")} | ${(f.peak / 1e6).toFixed(0)} |`);
  }
}
