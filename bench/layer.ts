// How fast folders become layers, without a registry: beside GNU tar with a hash, gzip and zstd.
//   node bench/layer.ts [--rounds 3] [a b c d]
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { corpora, corpus } from "./corpora.ts";
import { interleave, type Job, median, ratio } from "./interleave.ts";

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "3" } },
  allowPositionals: true,
});
delete process.env["NODE_EXTRA_CA_CERTS"];
const memory = "/dev/shm";
const root = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "imgvol-bench-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const out = join(root, "out");
const rss = join(root, "rss");

const ours = ["none", "auto", "gzip", "auto-4", "auto-1", "zstd"];
const theirs = {
  "tar, sha256sum": "| tee OUT | sha256sum > /dev/null",
  "tar, gzip -6": "| gzip -6 > OUT",
  "tar, zstd -3 -T0": "| zstd -q -3 -T0 > OUT",
};

for (const name of positionals.length > 0 ? positionals : Object.keys(corpora)) {
  const folder = await corpus(name, root);
  const bytes = async (): Promise<number> => statSync(out).size;
  const peaks = new Map<string, number>();
  const jobs: Job[] = ours.map((format) => ({
    name: `imgvol ${format}`,
    line: `${process.execPath} ${join(import.meta.dirname, "layer-job.ts")} ${format} ${folder} ${out} > ${rss}`,
    async bytes() {
      peaks.set(
        `imgvol ${format}`,
        Math.max(peaks.get(`imgvol ${format}`) ?? 0, Number(readFileSync(rss, "utf8"))),
      );
      return bytes();
    },
  }));
  for (const [way, pipe] of Object.entries(theirs)) {
    jobs.push({ name: way, line: `tar -C ${folder} -cf - . ${pipe.replace("OUT", out)}`, bytes });
  }
  const timings = await interleave(jobs, Number(values.rounds));
  const [first] = timings;
  console.log(`\n| ${name}: ${corpora[name]?.what} | seconds | of ${first?.name} | MB | peak memory, MB |`);
  console.log("|---|---|---|---|---|");
  for (const timing of timings) {
    const cells = [
      median(timing.seconds).toFixed(2),
      first ? ratio(timing, first).toFixed(2) : "",
      ((timing.bytes ?? 0) / 1e6).toFixed(1),
      peaks.get(timing.name)?.toFixed(0) ?? "",
    ];
    console.log(`| ${timing.name} | ${cells.join(" | ")} |`);
  }
  rmSync(folder, { recursive: true });
}
