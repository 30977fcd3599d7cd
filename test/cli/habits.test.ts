import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { programFor } from "../../src/cli/program.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { imgvol } from "./imgvol.ts";

test("help is an answer: stdout, exit 0, every verb in it", async () => {
  for (const args of [["--help"], ["-h"]]) {
    const { code, stdout, stderr } = await imgvol(args);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (const { name } of verbs) assert.match(stdout, new RegExp(`^ +${name}\\b`, "m"));
  }
});

test("no verb at all is wrong use, and shows the help", async () => {
  const { code, stdout, stderr } = await imgvol([]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /Usage: imgvol/);
});

const mistakes: readonly [args: string[], said: RegExp][] = [
  [["pakc"], /^error: unknown command 'pakc'\nhint: did you mean pack\?/],
  [["version", "--jsno"], /^error: unknown option '--jsno'\nhint: did you mean --json\?/],
  [["inspect"], /^error: missing required argument 'ref'/],
  [["inspect", "Not/A/Ref"], /^error: not a reference: "Not\/A\/Ref".*\nhint: /],
  [["version", "--color", "pink"], /^error: .*argument 'pink' is invalid/],
];

test("a mistake in the words is exit 2, named, with the nearest right word", async () => {
  for (const [args, said] of mistakes) {
    const { code, stdout, stderr } = await imgvol(args);
    assert.equal(code, 2, `${args.join(" ")}\n${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /^ +at /m, "no stack trace");
  }
});

test("version answers in words and in JSON", async () => {
  assert.match((await imgvol(["version"])).stdout, /^imgvol \d+\.\d+\.\d+ \(Node\.js /);
  const { imgvol: number, node } = JSON.parse((await imgvol(["version", "--json"])).stdout);
  assert.match(number, /^\d+\.\d+\.\d+$/);
  assert.ok(node);
});

test("the help of every verb fits a screen and ends with two examples", async () => {
  for (const { name } of verbs) {
    const program = await programFor([name], () => async () => undefined);
    const command = program.commands.find((c) => c.name() === name);
    assert.ok(command, name);
    for (const leaf of command.commands.length === 0 ? [command] : command.commands) {
      let text = "";
      leaf.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 120 }).outputHelp();
      assert.ok(text.split("\n").length <= 40, `${name} ${leaf.name()}: too long\n${text}`);
      const examples = text.trimEnd().split("Examples:\n")[1]?.split("\n") ?? [];
      assert.equal(examples.length, 2, `${name} ${leaf.name()}: two examples\n${text}`);
      for (const example of examples) assert.match(example, /^ {2}(?:\S.* )?imgvol /, text);
    }
  }
});

test("docs/cli.md is what the commands say", () => {
  const root = join(import.meta.dirname, "../..");
  const run = spawnSync(process.execPath, ["tools/cli-reference.ts", "--check"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(run.status, 0, run.stderr);
});
