// Packs and pushes the corpora beside other tools, interleaved, and prints a table in Markdown.
//   npm run build && node bench/push.ts [--rounds 5] [a b c d]
// Needs Linux and root: the other tools are fetched as test/peers/ does.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { crane } from "../test/peers/crane.ts";
import { startDockerRegistry } from "../test/peers/docker-registry.ts";
import { oras } from "../test/peers/oras.ts";
import { pigz } from "../test/peers/pigz.ts";
import { programOf } from "../test/peers/program.ts";
import { umoci } from "../test/peers/umoci.ts";
import { corpora, corpus } from "./corpora.ts";
import { interleave, type Job, median, ratio, type Timing } from "./interleave.ts";

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, jobs: { type: "string" } },
  allowPositionals: true,
});
// Starting Node with an extra CA file takes 40 ms that have nothing to do with packing.
delete process.env["NODE_EXTRA_CA_CERTS"];

const tools = {
  crane: await programOf(crane),
  oras: await programOf(oras),
  pigz: await programOf(pigz),
  umoci: await programOf(umoci),
};
const imgvol = `${process.execPath} ${resolve("bin/imgvol.cjs")}`;
const memory = "/dev/shm";
const root = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "imgvol-bench-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
await using registry = await startDockerRegistry();
const host = registry.host;
/** Where a job leaves the reference that it pushed, so that its bytes can be counted. */
const reference = join(root, "reference");

/** The compressed size of what stands in the registry under a repository, from its manifest. */
async function layerBytes(): Promise<number> {
  const repository = readFileSync(reference, "utf8")
    .trim()
    .slice(host.length + 1, -2);
  const accept =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json";
  const get = async (reference: string): Promise<Record<string, unknown>> => {
    const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, {
      headers: { accept },
    });
    return JSON.parse(await answer.text());
  };
  let manifest = await get("1");
  const [child] = Array.isArray(manifest["manifests"]) ? manifest["manifests"] : [];
  if (child !== undefined) manifest = await get(child.digest);
  const layers: { size: number }[] = Array.isArray(manifest["layers"]) ? manifest["layers"] : [];
  return layers.reduce((sum, layer) => sum + layer.size, 0);
}

function jobsFor(name: string, folder: string): Job[] {
  const work = join(root, "work");
  const before = `rm -rf ${work}; mkdir -p ${work}`;
  // Each job pushes to a repository of its own; bytes that are there already would not be sent again.
  const bytes = layerBytes;
  const fresh = (job: string): string => `$(echo ${host}/${name}-${job}-$(date +%N):1 | tee ${reference})`;
  const tar = `tar c -C ${folder} --sort=name --format=posix --owner=0 --group=0 --numeric-owner --mode=a=rX --mtime=@0 .`;
  const ours = (title: string, flags: string): Job => ({
    name: title,
    before,
    bytes,
    line: `${imgvol} pack ${folder} ${flags} --platform linux/amd64 -t ${fresh("imgvol")} --quiet`,
  });
  return [
    ours("imgvol", ""),
    ours("imgvol --compress gzip", "--compress gzip"),
    ours("imgvol --level 4", "--level 4"),
    ours("imgvol --compress none", "--compress none"),
    ours("imgvol --compress zstd", "--compress zstd"),
    {
      name: "hand-made script (tar, sha256sum, gzip, oras)",
      before,
      bytes,
      line: [
        `cd ${work}`,
        `${tar} > layer.tar`,
        `diff=$(sha256sum layer.tar | head -c 64)`,
        `gzip --best --no-name layer.tar`,
        `printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $diff > config.json`,
        `${tools.oras} push --plain-http --disable-path-validation --config config.json:application/vnd.oci.image.config.v1+json ${fresh("script")} layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip`,
      ].join("; "),
    },
    {
      name: "tar | pigz + crane append",
      before,
      bytes,
      line: `cd ${work}; ${tar} | ${tools.pigz} -6 > layer.tgz; ${tools.crane} append --insecure --oci-empty-base -f layer.tgz -t ${fresh("pigz")}`,
    },
    {
      name: "tar + crane append",
      before,
      bytes,
      line: `cd ${work}; ${tar} > layer.tar; ${tools.crane} append --insecure --oci-empty-base -f layer.tar -t ${fresh("crane")}`,
    },
    {
      name: "umoci + oras cp",
      before,
      bytes,
      line: [
        `cd ${work}`,
        `${tools.umoci} init --layout l`,
        `${tools.umoci} new --image l:1`,
        `${tools.umoci} insert --image l:1 ${folder} /`,
        `${tools.oras} cp --from-oci-layout l:1 --to-plain-http ${fresh("umoci")}`,
      ].join("; "),
    },
    {
      name: "oras push of raw files",
      before,
      bytes,
      line: `cd ${folder}; ${tools.oras} push --plain-http --disable-path-validation ${fresh("oras")} .:application/vnd.oci.image.layer.v1.tar+gzip`,
    },
  ];
}

const wanted = positionals.length > 0 ? positionals : Object.keys(corpora);
for (const name of wanted) {
  const folder = await corpus(name, join(root, "corpora"));
  const jobs = jobsFor(name, folder).filter(
    (j) => values.jobs === undefined || new RegExp(values.jobs).test(j.name),
  );
  const timings = await interleave(jobs, Number(values.rounds));
  print(name, timings);
  rmSync(folder, { recursive: true });
}

function print(name: string, timings: readonly Timing[]): void {
  const [first] = timings;
  if (first === undefined) return;
  console.log(`\n### ${name}: ${corpora[name]?.what}\n`);
  console.log("| job | median s | min–max | MB sent | imgvol takes, of it |\n|---|---|---|---|---|");
  for (const t of timings) {
    const range = `${Math.min(...t.seconds).toFixed(2)}–${Math.max(...t.seconds).toFixed(2)}`;
    console.log(
      `| ${t.name} | ${median(t.seconds).toFixed(2)} | ${range} | ${((t.bytes ?? 0) / 1e6).toFixed(1)} | ${ratio(first, t).toFixed(2)}x |`,
    );
  }
}
