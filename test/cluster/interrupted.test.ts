import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { ended, start } from "../cli/imgvol.ts";
import { tracesOf } from "./machine.ts";
import { programs } from "./programs.ts";

// Ctrl-C, as a user presses it.

const bin = programs.bin === undefined ? [] : ["--bin", programs.bin];
const up = ["cluster", "up", "--name", "stopped", "--api-port", "0", "--registry-port", "0", ...bin];
const demo = ["demo", "spring", "--cluster", ...bin];

const CASES: readonly (readonly [readonly string[], RegExp, number])[] = [
  [up, /start cluster/, 130],
  [up, /containerd is ready/, 130],
  [demo, /rollout status/, 130],
  [demo, /stop it all with Ctrl-C/, 0],
];

for (const [words, when, code] of CASES) {
  test(`${words.slice(0, 2).join(" ")}: Ctrl-C at ${when} leaves no process, mount, cgroup, interface or file`, async () => {
    await using home = await temporaryFolder(tmpdir(), "imgvol-interrupted-");
    const tmp = join(home.path, "tmp");
    await mkdir(tmp);
    const clusters = join(home.path, "imgvol", "clusters");
    const child = start(words, {
      env: { XDG_STATE_HOME: home.path, TMPDIR: tmp, IMGVOL_CACHE: programs.cache },
    });
    let said = "";
    let state: { id: string; folder: string } | undefined;
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (state !== undefined || !when.test(said)) return;
      state = stateBelow(clusters);
      child.kill("SIGINT");
    });
    const ran = await ended(child);
    assert.equal(ran.code, code, ran.stderr);
    assert.ok(state !== undefined, "it was there to be interrupted");
    assert.deepEqual(await tracesOf(state), []);
    assert.deepEqual(readdirSync(tmp), []);
    assert.deepEqual(readdirSync(clusters), []);
  });
}

function stateBelow(clusters: string): { id: string; folder: string } | undefined {
  for (const name of readdirSync(clusters)) {
    const path = join(clusters, name, "cluster.json");
    if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8"));
  }
  return undefined;
}
