import assert from "node:assert/strict";
import { test } from "node:test";
import { type Finding, quietCall } from "../../src/base/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { codeOf } from "../contract/store.ts";
import { type Peer, peer, refuse } from "./peer.ts";

// What a registry wants users to know (distribution-spec, "Warnings").

const call = quietCall();

function warning(...fields: readonly string[]): Promise<Peer> {
  return peer((_seen, response) => {
    response.setHeader("warning", fields);
    refuse(response, 404, "MANIFEST_UNKNOWN");
  });
}

async function told(...fields: readonly string[]): Promise<readonly string[]> {
  await using registry = await warning(...fields);
  const findings: Finding[] = [];
  await using store = registry.open({ tell: (finding) => findings.push(finding) });
  for (let times = 0; times < 3; times++) assert.equal(await codeOf(store.resolve("v1", call)), "not-found");
  assert.ok(findings.every((f) => f.severity === "warning" && f.code === "registry-warning"));
  return findings.map(({ message }) => message.replace(`${registry.host} says: `, ""));
}

const cases: readonly [string, readonly string[], readonly string[]][] = [
  ["once, however often it is sent", ['299 - "moves on Friday"'], ["moves on Friday"]],
  ["several, in one field or more", ['299 - "a, b", 299 - "c"', '299 - "d"'], ["a, b", "c", "d"]],
  ["quoted and escaped", ['299 - "say \\"no\\""'], ['say "no"']],
  [
    "nothing for a terminal to obey",
    ['299 - "x\u009b31m"', '299 - "\u00c2\u009b2J"'],
    ["x\ufffd31m", "\\u{9b}2J"],
  ],
  ["no other code or agent, no date, no words without quotes", ['199 - "x"', '299 me "y"', "299 - z"], []],
  ["no date after it", ['299 - "x" "Sat, 25 Aug 2012 23:34:45 GMT"'], []],
];
for (const [name, fields, expected] of cases) {
  test(`a registry's warnings are told: ${name}`, async () => {
    assert.deepEqual(await told(...fields), expected);
  });
}

test("of a registry's warnings no more is told than can be read", async () => {
  const [long = ""] = await told(`299 - "${"x".repeat(3000)}"`);
  assert.match(long, /^x{400}… \(2600 more characters\)$/);
  assert.equal((await told(...Array.from({ length: 50 }, (_, n) => `299 - "${n}"`))).length, 8);
});

test("a verb tells a registry's warnings on stderr, with --quiet too", async () => {
  await using registry = await warning('299 - "moves on Friday"');
  const ran = await imgvol(["tags", `${registry.host}/a/b`, "--quiet"]);
  assert.ok(
    ran.stderr.startsWith(`warning: ${registry.host} says: moves on Friday [registry-warning]\n`),
    ran.stderr,
  );
  assert.equal(ran.stdout, "");
});
