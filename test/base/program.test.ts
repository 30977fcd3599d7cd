import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram, quietCall, runProgram, temporaryFolder } from "../../src/base/index.ts";

const sh = (script: string): [string, string[]] => ["/bin/sh", ["-c", script]];

test("what a program is given, what it says, and how it ends", async () => {
  const lines: string[] = [];
  const options = {
    input: "in\n",
    env: { A: "a", HOME: undefined },
    onLine: (line: string) => lines.push(line),
  };
  const script = 'read line; echo "$line $A [$HOME]"; echo wrong >&2; exit 7';
  const ran = await runProgram(...sh(script), options, quietCall());
  assert.deepEqual(ran, { code: 7, stdout: "in a []\n", stderr: "wrong\n" });
  assert.deepEqual(lines.toSorted(), ["in a []", "wrong"]);
});

test("one that a signal ended has the code that a shell gives it", async () => {
  assert.equal((await runProgram(...sh("kill -15 $$"), {}, quietCall())).code, 143);
});

test("one that cannot be started is the system's error", async () => {
  await assert.rejects(runProgram("/no/such/program", [], {}, quietCall()), { code: "ENOENT" });
});

test("of much that is said, the last is kept", async () => {
  const script = "i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done";
  const { stderr } = await runProgram(...sh(script), {}, quietCall());
  assert.ok(stderr.length <= 16 * 1024);
  assert.ok(stderr.endsWith("line 4999\n"));
});

for (const [how, grace, after] of [
  ["at once", undefined, "began\n"],
  ["after it could clean up", 60_000, "began\ncleaned\n"],
  ["when it does not end by itself", 1, "began\n"],
] as const) {
  test(`an abort ends it ${how}, with all that it started`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-program-");
    const file = join(folder.path, "said");
    const trap = grace === 1 ? "trap '' TERM" : `trap 'echo cleaned >>${file}; exit' TERM`;
    const abort = new AbortController();
    // The child in the background has the parent's output: if it lived, the program would not be over. It speaks for itself,
    // as a shell of its own: between its fork and its exec it still has the trap of its parent, and would outlive a TERM.
    const ran = runProgram(
      ...sh(`${trap}; echo began >${file}; sh -c 'echo up; exec sleep 300' & while :; do wait; done`),
      { onLine: () => abort.abort(), ...(grace === undefined ? {} : { grace }) },
      quietCall(abort.signal),
    );
    await assert.rejects(ran, { name: "AbortError" });
    assert.equal(await readFile(file, "utf8"), after);
  });
}

test("programs are found on the PATH, by whole folders, where they may be run", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-program-");
  const program = join(folder.path, "imgvol-made-up");
  await writeFile(program, "");
  const find = (PATH: string): Promise<string | undefined> => findProgram("imgvol-made-up", { PATH });
  await chmod(program, 0o644);
  assert.equal(await find(folder.path), undefined);
  await chmod(program, 0o755);
  assert.equal(await find(`:relative:/nowhere:${folder.path}`), program);
  assert.equal(await find(""), undefined);
});
