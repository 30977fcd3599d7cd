import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const cache = mkdtempSync(join(tmpdir(), "workspace-"));
after(() => rmSync(cache, { recursive: true }));

test("what a killed process left behind is removed by the next, what is in use is not", async () => {
  const source = new URL("../../src/pack/source-workspace.ts", import.meta.url).href;
  const program = (then: string): string[] => [
    "--input-type=module",
    "-e",
    `import { workspace } from ${JSON.stringify(source)};
    const work = await workspace(${JSON.stringify(cache)});
    ${then}`,
  ];
  const killed = program("process.send?.(work.path); setInterval(() => {}, 1000);");
  const child = spawn(process.execPath, killed, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [path] = await once(child, "message");
  const sweep = (): void =>
    void execFileSync(process.execPath, program("await work[Symbol.asyncDispose]();"));
  sweep();
  assert.ok(existsSync(path), "in use");
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  sweep();
  assert.deepEqual(readdirSync(join(cache, "work")), []);
});
