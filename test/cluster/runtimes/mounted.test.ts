import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { temporaryFolder } from "../../../src/base/index.ts";
import { markdownTable, section, updating, writeSection } from "../../interop/interoperability.ts";
import { startOwnRegistry } from "../../interop/own-registry.ts";
import { run } from "../../peers/program.ts";
import type { RunningRegistry } from "../../peers/server.ts";
import { HERE } from "../cluster.ts";
import { makeAwkwardVolume } from "./awkward-volume.ts";
import { columnOf } from "./column.ts";
import { imgvolRun } from "./imgvol.ts";
import { binWithDebiansContainerd, KubeletRuntime } from "./kubelet.ts";
import { type Aspect, differences, type Listing, PARTS, readListing, readParts } from "./listing.ts";
import { observe, publishForms } from "./observe.ts";
import { podmanPlay, podmanRun } from "./podman.ts";
import type { Runtime } from "./runtime.ts";

// One folder of everything that is awkward, packed in every form: what containers see of it, and how that differs from
// runtime to runtime.

const PAGE = join(HERE, "docs/runtimes.md");
/** What an image volume is for: the same wherever it is mounted. */
const PROMISED: readonly Aspect[] = [
  "names",
  "bytes",
  "targets of links",
  "hard links",
  "times of files and folders",
  "times of links",
];

const folder = await temporaryFolder(tmpdir(), "imgvol-runtimes-");
const root = join(folder.path, "packed");
const columns: (readonly [name: string, cells: ReadonlyMap<string, string>])[] = [];
let registry: RunningRegistry;
let packed: Listing;

before(async () => {
  await makeAwkwardVolume(root);
  const { stdout } = await run("sh", ["-c", `${PARTS}\nlist '${root}'`]);
  packed = readListing(readParts(stdout), root);
  registry = await startOwnRegistry({ folder: true });
  await publishTo(registry.host);
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function publishTo(host: string): Promise<void> {
  const at = join(folder.path, host.replaceAll(/\W/g, "-"));
  await mkdir(at);
  await publishForms(host, root, at);
}

async function kubelet(bin?: string): Promise<Runtime> {
  const runtime = await KubeletRuntime.start(bin);
  await publishTo(runtime.registry);
  return runtime;
}

const RUNTIMES: readonly (readonly [name: string, start: () => Promise<Runtime>])[] = [
  ["Debian's containerd, by a kubelet", async () => kubelet(await binWithDebiansContainerd(folder.path))],
  ["our containerd, by a kubelet", () => kubelet()],
  ["podman run", () => podmanRun(registry.host)],
  ["podman kube play", () => podmanPlay(registry.host)],
  ["imgvol run", async () => imgvolRun(registry.host, join(folder.path, "cache"))],
];

for (const [name, start] of RUNTIMES) {
  test(`${name}: what is seen is what was packed`, async () => {
    await using runtime = await start();
    const seen = await observe(runtime);
    for (const [form, tree] of seen.trees) {
      for (const aspect of PROMISED)
        assert.deepEqual(differences(aspect, packed, tree), [], `${form}: ${aspect}`);
    }
    const column = columnOf(packed, seen);
    columns.push([runtime.name, column]);
    // What warnings and docs of ours are about: it may end with a version, but not unnoticed.
    const ignored = runtime.name === "containerd 2.1";
    const part = ignored ? "**ignored: the whole volume**" : "the folder, with its mode";
    assert.equal(column.get("subPath: a folder"), part);
  });
}

test("the page tells what was seen", async () => {
  const rows = [...(columns[0]?.[1].keys() ?? [])];
  const head = ["", ...columns.map(([name]) => name)];
  const told = markdownTable([
    head,
    ...rows.map((row) => [row, ...columns.map(([, cells]) => cells.get(row) ?? "")]),
  ]);
  if (updating) await writeSection("runtimes", told, PAGE);
  assert.equal(await section("runtimes", PAGE), told);
});
