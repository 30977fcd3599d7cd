import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exists, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { nativeDown, nativeStatus, nativeUp } from "../../src/native/index.ts";
import { tracesOf } from "./machine.ts";
import { processesOf } from "./processes.ts";
import { programs } from "./programs.ts";

// A cluster lives and dies as one: no process of it may be killed, or die, and leave the others.

const call = quietCall();
const home = await temporaryFolder(tmpdir(), "imgvol-killed-");
const clusters = home.path;
after(() => home[Symbol.asyncDispose]());

const PROCESSES: readonly (readonly [string, (words: readonly string[]) => boolean])[] = [
  ["keeper", (words) => words.some((word) => word.includes("/keeper."))],
  ["unshare", (words) => words[0] === "unshare"],
  ["the first process of the namespaces", (words) => words[0] === "sh"],
  ["the node's own", (words) => words[0] !== "sh" && words[0] !== "unshare" && isNodeInit(words)],
  ["kubelet", (words) => words[0]?.endsWith("/kubelet") === true],
  ["registry", (words) => words.some((word) => word.includes("/registry-process."))],
];

function isNodeInit(words: readonly string[]): boolean {
  return words.some((word) => word.includes("/node-init."));
}

for (const [who, is] of PROCESSES) {
  test(`kill -9 of ${who}: nothing runs on, the status says so, and down takes the rest away`, async () => {
    await nativeUp({ ...programs, name: "killed", clusters, apiPort: 0, registryPort: 0 }, call);
    const state = JSON.parse(await readFile(join(clusters, "killed", "cluster.json"), "utf8"));
    const found = await processesOf(state.id, is);
    assert.equal(found.length, 1, who);
    for (const pid of found) process.kill(pid, "SIGKILL");
    for (const began = performance.now(); (await processesOf(state.id, () => true)).length > 0; ) {
      assert.ok(performance.now() - began < 120_000, `runs on: ${await tracesOf(state)}`);
      await sleep(50);
    }
    assert.deepEqual(
      (await nativeStatus({ clusters }, call)).map((cluster) => cluster.state),
      ["over"],
    );
    await assert.rejects(nativeUp({ ...programs, name: "killed", clusters }, call), { code: "cluster-up" });
    assert.equal(await nativeDown({ name: "killed", clusters }, call), true);
    assert.deepEqual(await tracesOf(state), []);
    assert.equal(await exists(join(clusters, "killed")), false);
  });
}

const LOST: readonly (readonly [string, (folder: string) => Promise<void>])[] = [
  ["damaged", (folder) => writeFile(join(folder, "cluster.json"), '{"name":')],
  ["deleted with the whole folder", (folder) => rm(folder, { recursive: true, force: true })],
];

for (const [how, lose] of LOST) {
  test(`a state that is ${how} while its cluster runs: down ends it all the same`, async () => {
    await nativeUp({ ...programs, name: "lost", clusters, apiPort: 0, registryPort: 0 }, call);
    const state = JSON.parse(await readFile(join(clusters, "lost", "cluster.json"), "utf8"));
    await lose(join(clusters, "lost"));
    assert.equal(await nativeDown({ name: "lost", clusters }, call), true);
    assert.deepEqual(await tracesOf(state), []);
    assert.deepEqual(await readdir(clusters), []);
  });
}
