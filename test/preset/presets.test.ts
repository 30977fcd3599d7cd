import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import {
  AGENTS,
  findLayout,
  findPreset,
  formatPresetRequest,
  layoutNamed,
  type PresetRequest,
  parsePreset,
  parsePresetRequest,
  presets,
} from "../../src/preset/index.ts";

const REQUESTS: readonly [string, PresetRequest][] = [
  ["otel-java", { name: "otel-java" }],
  ["otel-java@2.33.1", { name: "otel-java", version: "2.33.1" }],
  ["otel-java=r.example.com/a:1", { name: "otel-java", reference: "r.example.com/a:1" }],
  [
    "otel-java@2.0.0-rc.1=oci:/tmp/x=y:1",
    { name: "otel-java", version: "2.0.0-rc.1", reference: "oci:/tmp/x=y:1" },
  ],
  ["otel-java=r/a@sha256:00", { name: "otel-java", reference: "r/a@sha256:00" }],
];

for (const [text, wanted] of REQUESTS) {
  test(`-p ${text}`, () => {
    assert.deepEqual(parsePresetRequest(text), wanted);
    assert.equal(formatPresetRequest(wanted), text);
  });
}

for (const text of [
  "",
  "Otel",
  "otel_java",
  "-a",
  "a-",
  "a@",
  "a@../b",
  "a@1/2",
  "a=",
  "=r",
  "a@1@2",
  "../a",
  "a b",
]) {
  test(`-p ${JSON.stringify(text)} is wrong use`, () => {
    assert.throws(() => parsePresetRequest(text), { code: "preset-request-invalid", wrongUse: true });
  });
}

test("a request that was read is written as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "1", "-", "@", "=", ".", "/", ":") }), (text) => {
      let request: PresetRequest;
      try {
        request = parsePresetRequest(text);
      } catch {
        return;
      }
      assert.equal(formatPresetRequest(request), text);
    }),
    { numRuns: 5000 },
  );
});

test("every preset can be read, found, and has its files", async () => {
  assert.ok(presets().length >= 2);
  for (const preset of presets()) {
    assert.deepEqual(findPreset(preset.name), preset);
    assert.match(preset.mountPath, /^\/[\w/-]+$/);
    for (const layout of preset.layouts) {
      assert.equal(await findLayout(preset, (path) => path === layout.file), layout);
      assert.equal(layoutNamed(preset, layout.id), layout);
    }
    for (const rule of [...preset.env, ...preset.layouts.flatMap((layout) => layout.env)]) {
      assert.ok(rule.conflict === undefined || new RegExp(rule.conflict));
    }
    if (preset.payload?.kind !== "npm") continue;
    for (const file of [...Object.values(preset.payload.locks), ...Object.values(preset.payload.files)]) {
      assert.ok(existsSync(new URL(file, AGENTS)), file);
    }
    assert.ok(preset.payload.locks[preset.payload.version]);
  }
});

test("what there is not is named, with what there is", async () => {
  assert.throws(() => findPreset("otel-cobol"), {
    code: "preset-unknown",
    hint: /otel-java/,
    wrongUse: true,
  });
  assert.throws(() => findPreset("../../../package"), { code: "preset-unknown" });
  assert.throws(() => layoutNamed(findPreset("otel-java"), "x"), { code: "layout-unknown", hint: /release/ });
  await assert.rejects(
    findLayout(findPreset("otel-java"), () => false),
    { code: "layout-unknown", hint: /opentelemetry-javaagent\.jar/ },
  );
});

const whole = JSON.stringify(findPreset("otel-java"));
const BROKEN: readonly [string, string, RegExp][] = [
  ["not JSON", "{", /a\.json is not JSON/],
  ["a list", "[]", /a\.json: an object/],
  ["an unknown field", whole.replace('"title"', '"tittle"'), /unknown field tittle/],
  ["a rule of no kind", whole.replace('"append"', '"add"'), /a\.json\.env\[0\]\.rule: one of append/],
  [
    "a number for a text",
    whole.replace('"mountPath":"/mnt/otel-java"', '"mountPath":7'),
    /mountPath: a text/,
  ],
  ["no needs", whole.replace('"needs"', '"otlp"'), /needs/],
];

for (const [title, json, message] of BROKEN) {
  test(`a preset's file with ${title} is an error that names the place`, () => {
    assert.throws(() => parsePreset(json, "a.json"), { code: "preset-invalid", message });
  });
}
