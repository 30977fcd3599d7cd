import assert from "node:assert/strict";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { nativeDown } from "../../src/native/index.ts";
import { clusterFolder } from "../../src/native/state.ts";

test("down leaves no logs of an up that failed, and no lock", async () => {
  await using clusters = await temporaryFolder(tmpdir(), "imgvol-state-");
  await mkdir(clusterFolder("one", clusters.path).lastLogs);
  await mkdir(clusterFolder("two", clusters.path).lastLogs);
  assert.equal(await nativeDown({ name: "one", clusters: clusters.path }, quietCall()), false);
  assert.deepEqual(await readdir(clusters.path), ["two.log"]);
});

test("a damaged state of which nothing is known any more goes with down, and what is no cluster's stays", async () => {
  await using clusters = await temporaryFolder(tmpdir(), "imgvol-state-");
  const folder = clusterFolder("one", clusters.path);
  await mkdir(join(folder.path, "log"), { recursive: true });
  await writeFile(folder.state, "{");
  await writeFile(join(folder.path, "thesis"), "");
  const down = (): Promise<boolean> => nativeDown({ name: "one", clusters: clusters.path }, quietCall());
  await assert.rejects(down(), { code: "cluster-unknown" });
  assert.deepEqual((await readdir(folder.path)).sort(), ["cluster.json", "log", "thesis"]);
  await rm(join(folder.path, "thesis"));
  assert.equal(await down(), false);
  assert.deepEqual(await readdir(clusters.path), []);
});

test("what a killed up left without a state goes with down; what is no cluster's stays", async () => {
  await using clusters = await temporaryFolder(tmpdir(), "imgvol-state-");
  const folder = clusterFolder("one", clusters.path);
  await mkdir(folder.path);
  await writeFile(`${folder.state}.00000000-0000-4000-8000-000000000000.tmp`, "{");
  const down = nativeDown({ name: "one", clusters: clusters.path }, quietCall());
  assert.equal(await down, false);
  assert.deepEqual(await readdir(clusters.path), []);
  await mkdir(folder.path);
  await writeFile(join(folder.path, "thesis.tmp"), "");
  await assert.rejects(nativeDown({ name: "one", clusters: clusters.path }, quietCall()), {
    name: "ClusterError",
    code: "cluster-unknown",
  });
  assert.deepEqual(await readdir(folder.path), ["thesis.tmp"]);
});
