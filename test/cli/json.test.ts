import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { programFor } from "../../src/cli/program.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { imgvol, start } from "./imgvol.ts";

const page = await readFile(join(import.meta.dirname, "../../docs/json.md"), "utf8");

/** The page's table: verb -> its keys. */
const documented: ReadonlyMap<string, readonly string[]> = new Map(
  [...page.matchAll(/^\| `([a-z ]+)` \| ([^|]+) \|/gm)].map(([, verb = "", keys = ""]) => [
    verb,
    [...keys.matchAll(/`(\w+)`/g)].map(([, key = ""]) => key),
  ]),
);

function keysOf(text: string): string[] {
  const answer: unknown = JSON.parse(text);
  assert.ok(typeof answer === "object" && answer !== null && !Array.isArray(answer), text);
  return Object.keys(answer);
}

function assertKeys(verb: string, keys: readonly string[]): void {
  assert.deepEqual(keys.toSorted(), documented.get(verb)?.toSorted(), `${verb}: see docs/json.md`);
}

test("docs/json.md has a row for each verb that takes --json, and no other", async () => {
  const taking: string[] = [];
  for (const { name } of verbs) {
    const program = await programFor([name], () => async () => undefined);
    const command = program.commands.find((each) => each.name() === name);
    assert.ok(command);
    for (const each of [command, ...command.commands]) {
      const takes = each.options.some((option) => option.long === "--json");
      if (takes) taking.push(each === command ? name : `${name} ${each.name()}`);
    }
  }
  assert.deepEqual([...documented.keys()].toSorted(), taking.toSorted());
});

test("what images answer has the keys that the page says, and stdout has nothing else", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-json-");
  const agent = join(folder.path, "agent");
  await mkdir(agent);
  await writeFile(join(agent, ".env"), "TOKEN=x\n");
  const layout = `oci:${join(folder.path, "layout")}`;
  const env = { IMGVOL_CACHE: join(folder.path, "cache") };
  const dir = join(folder.path, "registry");
  await using _registry = await startRegistry({ host: "127.0.0.1", port: 0, dir }, quietCall());
  const answers: [verb: string, args: string[], code: number][] = [
    ["pack", [agent, "-t", `${layout}:1`], 0],
    ["copy", [`${layout}:1`, `oci:${join(folder.path, "copy")}:1`, "--platform", "linux/amd64"], 0],
    ["inspect", [`${layout}:1`, "--referrers"], 0],
    ["diff", [`${layout}:1`, `${layout}:1`], 0],
    ["tags", [layout], 0],
    ["export", [`${layout}:1`, join(folder.path, "out")], 0],
    ["cache ls", [], 0],
    ["cache verify", [], 0],
    ["cache prune", ["--all"], 0],
    ["presets", [], 0],
    ["version", [], 0],
    ["registry gc", ["--dir", dir], 0],
    ["registry htpasswd", ["ada", "--password-stdin"], 0],
  ];
  for (const [verb, args, code] of answers) {
    const ran = await imgvol([...verb.split(" "), ...args, "--json"], { env, input: "secret" });
    assert.equal(ran.code, code, `${verb}: ${ran.stderr}`);
    assertKeys(verb, keysOf(ran.stdout));
  }
  const listed = await imgvol(["ls", `${layout}:1`, "--json"]);
  const [file = ""] = listed.stdout.trimEnd().split("\n");
  assertKeys("ls", [...keysOf(file), "target"]);
});

test("servers answer when they listen", async () => {
  for (const [verb, flags] of [
    ["registry serve", ["--listen", "127.0.0.1:0"]],
    ["dashboard", ["--otlp-grpc-port", "0", "--otlp-http-port", "0", "--ui-port", "0"]],
  ] as const) {
    const child = start([...verb.split(" "), ...flags, "--json"]);
    const closed = once(child, "close");
    assert.ok(child.stdout);
    let text = "";
    for await (const line of createInterface(child.stdout)) {
      text += line;
      if (line === "}") break;
    }
    assertKeys(verb, keysOf(text));
    child.kill("SIGTERM");
    assert.deepEqual(await closed, [0, null]);
  }
});
