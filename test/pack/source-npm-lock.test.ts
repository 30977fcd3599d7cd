import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseNpmLock } from "../../src/pack/source-npm-lock.ts";
import { AGENTS, findPreset } from "../../src/preset/index.ts";

const SUM = `sha512-${Buffer.alloc(64, 1).toString("base64")}`;
const lock = (packages: unknown): string => JSON.stringify({ lockfileVersion: 3, packages });

test("npm lock: places, aliases, the strongest hash; nothing for development or for one CPU", () => {
  const entry = { version: "1.0.0", integrity: `sha1-${Buffer.alloc(20).toString("base64")} ${SUM}` };
  const packages = parseNpmLock(
    lock({
      "": { name: "root" },
      "node_modules/a": entry,
      "node_modules/a/node_modules/@s/b": { ...entry, name: "c" },
      "node_modules/dev": { ...entry, dev: true },
      "node_modules/cpu": { ...entry, os: ["linux"], cpu: ["x64"] },
      "node_modules/mac": { ...entry, os: ["darwin"] },
      "node_modules/not-windows": { ...entry, os: ["!win32"] },
    }),
    "l",
  );
  const sum = { algorithm: "sha512", hex: "01".repeat(64) };
  assert.deepEqual(packages, [
    { path: "node_modules/a", name: "a", version: "1.0.0", sum },
    { path: "node_modules/a/node_modules/@s/b", name: "c", version: "1.0.0", sum },
    { path: "node_modules/not-windows", name: "not-windows", version: "1.0.0", sum },
  ]);
});

const GOOD = { version: "1.0.0", integrity: SUM };
const LOCKS: readonly [string, string][] = [
  ["not JSON", "{"],
  ["version 1", JSON.stringify({ lockfileVersion: 1, dependencies: {} })],
  ["a path that leads out", lock({ "node_modules/../../a": GOOD })],
  ["a name that leads out", lock({ "node_modules/..": GOOD })],
  ["a folder beside", lock({ "packages/a": GOOD })],
  ["an absolute path", lock({ "/node_modules/a": GOOD })],
  ["a link", lock({ "node_modules/a": { ...GOOD, link: true } })],
  ["an alias that is a path", lock({ "node_modules/a": { ...GOOD, name: "../a" } })],
  ["a version that is a path", lock({ "node_modules/a": { ...GOOD, version: "../1" } })],
  ["no integrity", lock({ "node_modules/a": { version: "1.0.0" } })],
  ["a short hash", lock({ "node_modules/a": { version: "1.0.0", integrity: "sha512-AAAA" } })],
  ["a weak hash", lock({ "node_modules/a": { version: "1.0.0", integrity: "md5-AAAA" } })],
];

for (const [title, text] of LOCKS) {
  test(`npm lock: ${title} is refused`, () => {
    assert.throws(() => parseNpmLock(text, "l"), { code: "lock-invalid", message: /^l/ });
  });
}

test("the committed lock files name every package by sha512, and no host", () => {
  const payload = findPreset("otel-node").payload;
  assert.ok(payload?.kind === "npm");
  for (const [version, file] of Object.entries(payload.locks)) {
    const text = readFileSync(new URL(file, AGENTS), "utf8");
    const packages = parseNpmLock(text, file);
    assert.ok(packages.every((item) => item.sum.algorithm === "sha512"));
    const agent = packages.find((item) => item.name === "@opentelemetry/auto-instrumentations-node");
    assert.equal(agent?.version, version);
    assert.doesNotMatch(text, /:\/\/|resolved/);
  }
});
