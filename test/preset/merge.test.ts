import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  attributeValue,
  type Container,
  type EnvRule,
  type EnvVar,
  merge,
  otlpRules,
  presets,
  type SwitchOn,
  switchOn,
  targetsFor,
} from "../../src/preset/index.ts";

const NAMES = [
  "A",
  "JAVA_TOOL_OPTIONS",
  "NODE_OPTIONS",
  "OTEL_SERVICE_NAME",
  "OTEL_RESOURCE_ATTRIBUTES",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_PROTOCOL",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
  "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
];
const VALUES = [
  "",
  "x",
  "$(A)",
  "$$(A)",
  "grpc",
  "http/protobuf",
  "http://h:4317",
  "http://h:4318/p",
  "https://h",
  "a=b,c=d",
  "service.name=s,,k8s.pod.name=p",
  "imgvol.volume.reference=old",
  "-Dotel.exporter.otlp.protocol=grpc",
  "--require ./own.js",
];

const name = fc.constantFrom(...NAMES);
const value = fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: "binary", maxLength: 20 }));
const variable: fc.Arbitrary<EnvVar> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ name, value }) },
  {
    weight: 1,
    arbitrary: fc.record({ name, valueFrom: fc.constant({ fieldRef: { fieldPath: "spec.nodeName" } }) }),
  },
);
const container: fc.Arbitrary<Container> = fc.record({
  env: fc.array(variable, { maxLength: 8 }),
  imageEnv: fc.option(
    fc.dictionary(name, value).map((env) => new Map(Object.entries(env))),
    { nil: undefined },
  ),
  expansion: fc.constantFrom("kubelet", "none"),
});
const how: fc.Arbitrary<SwitchOn> = fc.record({
  serviceName: fc.option(fc.string(), { nil: undefined }),
  otlp: fc.record({
    grpc: fc.option(fc.constant("http://c:4317"), { nil: undefined }),
    http: fc.option(fc.constant("http://c:4318"), { nil: undefined }),
  }),
  volume: fc.option(
    fc.record({
      reference: fc.string({ unit: "binary" }),
      digest: fc.option(fc.string(), { nil: undefined }),
    }),
    { nil: undefined },
  ),
  inPod: fc.boolean(),
});
const known = presets();
const layout = fc.constantFrom(
  ...known.flatMap((preset) => preset.layouts.map((l) => ({ preset, layout: l }))),
);

test("switching on twice is switching on once", () => {
  fc.assert(
    fc.property(container, layout, how, (given, { preset, layout }, options) => {
      const once = switchOn(preset, layout, given, options);
      if ("refused" in once) return;
      const twice = switchOn(preset, layout, { ...given, env: once.env }, options);
      assert.ok("env" in twice);
      assert.deepEqual(twice.env, once.env);
    }),
    { numRuns: 2000 },
  );
});

test("the container's variables all stay, in their order, each with its own value in it", () => {
  fc.assert(
    fc.property(container, layout, how, (given, { preset, layout }, options) => {
      const merged = switchOn(preset, layout, given, options);
      if ("refused" in merged) return;
      const names = new Set(given.env.map((entry) => entry.name));
      const kept = merged.env.filter((entry) => names.has(entry.name));
      assert.deepEqual(
        kept.map((entry) => entry.name),
        given.env.map((entry) => entry.name),
      );
      for (const [i, entry] of kept.entries()) {
        const old = given.env[i];
        if (old?.valueFrom !== undefined) assert.deepEqual(entry, old);
        else if (entry.name !== "OTEL_RESOURCE_ATTRIBUTES")
          assert.ok(entry.value?.startsWith(old?.value ?? ""));
      }
    }),
    { numRuns: 2000 },
  );
});

test("what our own values refer to stands before them", () => {
  fc.assert(
    fc.property(container, layout, how, (given, { preset, layout }, options) => {
      const merged = switchOn(
        preset,
        layout,
        { ...given, expansion: "kubelet" },
        { ...options, inPod: true },
      );
      if ("refused" in merged) return;
      const before = new Set<string>();
      for (const entry of merged.env) {
        if (!given.env.some((old) => old.name === "OTEL_RESOURCE_ATTRIBUTES_POD_NAME")) {
          const wants = entry.value?.includes("=$(OTEL_RESOURCE_ATTRIBUTES_POD_NAME)") ?? false;
          assert.ok(!wants || before.has("OTEL_RESOURCE_ATTRIBUTES_POD_NAME"));
        }
        before.add(entry.name);
      }
    }),
  );
});

/** What the kubelet makes of a value (k8s.io/kubernetes/third_party/forked/golang/expansion). */
function expand(text: string): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (match, name?: string) => (name === undefined ? "$" : match));
}

test("what the image sets survives the kubelet's expansion unchanged", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("$", "(", ")", "A", " ", "-"), minLength: 1 }),
      (inherited) => {
        const rules: EnvRule[] = [{ name: "O", value: "ours", rule: "append" }];
        const given: Container = { env: [], imageEnv: new Map([["O", inherited]]), expansion: "kubelet" };
        const merged = merge(given, rules, {});
        assert.ok("env" in merged);
        assert.equal(expand(merged.env[0]?.value ?? ""), `${inherited} ours`);
      },
    ),
  );
});

const RULES: readonly [string, EnvRule, string | undefined, string | { readonly refused: string }][] = [
  ["append to nothing", { name: "V", value: "b", rule: "append", join: ":" }, undefined, "b"],
  ["append to an empty value", { name: "V", value: "b", rule: "append", join: ":" }, "", "b"],
  ["append", { name: "V", value: "b", rule: "append", join: ":" }, "a", "a:b"],
  ["append what is there", { name: "V", value: "b", rule: "append", join: ":" }, "a:b:c", "a:b:c"],
  ["append what only looks there", { name: "V", value: "b", rule: "append", join: ":" }, "a:bb", "a:bb:b"],
  ["prepend", { name: "V", value: "b", rule: "prepend", join: ":" }, "a", "b:a"],
  ["prepend what is there", { name: "V", value: "b", rule: "prepend", join: ":" }, "a:b", "a:b"],
  ["default to nothing", { name: "V", value: "b", rule: "default" }, undefined, "b"],
  ["default to an empty value", { name: "V", value: "b", rule: "default" }, "", ""],
  ["refuse on nothing", { name: "V", value: "b", rule: "refuse" }, undefined, "b"],
  ["refuse on the same", { name: "V", value: "b", rule: "refuse" }, "b", "b"],
  ["refuse on another", { name: "V", value: "b", rule: "refuse" }, "a", { refused: "env-taken" }],
  ["conflict", { name: "V", value: "b", rule: "append", conflict: "^x" }, "xy", { refused: "agent-present" }],
  ["a placeholder", { name: "V", value: "{mount}/f", rule: "append" }, undefined, "/m/f"],
];

for (const [title, rule, old, wanted] of RULES) {
  for (const where of ["manifest", "image"] as const) {
    test(`${title}, in the ${where}`, () => {
      const own = old === undefined ? [] : [{ name: "V", value: old }];
      const image = new Map(own.map((entry) => [entry.name, entry.value]));
      const given: Container =
        where === "manifest"
          ? { env: own, imageEnv: new Map(), expansion: "none" }
          : { env: [], imageEnv: image, expansion: "none" };
      const merged = merge(given, [rule], { mount: "/m" });
      if (typeof wanted !== "string") {
        assert.equal("refused" in merged && merged.refused.code, wanted.refused);
        return;
      }
      assert.ok("env" in merged);
      assert.equal(merged.env.find((entry) => entry.name === "V")?.value ?? image.get("V"), wanted);
    });
  }
}

test("a placeholder without a value is an error, not a text", () => {
  const rules: EnvRule[] = [{ name: "V", value: "{nothing}", rule: "default" }];
  assert.throws(() => merge({ env: [], expansion: "none" }, rules, {}), { code: "preset-invalid" });
});

test("an attribute's value is a baggage value, and decodes to what it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const encoded = attributeValue(text);
      assert.match(encoded, /^[!#-+\--:<-[\]-~]*$/);
      assert.equal(decodeURIComponent(encoded), Buffer.from(text, "utf8").toString("utf8"));
    }),
  );
  assert.equal(attributeValue("localhost:5001/a/b@sha256:00"), "localhost:5001/a/b@sha256:00");
});

test("endpoint and protocol: 4317 goes with grpc, 4318 with http", () => {
  assert.deepEqual(targetsFor("http://c:4317"), { grpc: "http://c:4317", http: "http://c:4318" });
  assert.deepEqual(targetsFor("http://c:4318"), { grpc: "http://c:4317", http: "http://c:4318" });
  assert.deepEqual(targetsFor("https://otlp.example.com"), { http: "https://otlp.example.com" });
  assert.deepEqual(targetsFor("https://otlp.example.com", "grpc"), { grpc: "https://otlp.example.com" });
});

const PAIRS: readonly [Record<string, string>, Record<string, string>, string[]][] = [
  [{}, { ENDPOINT: "http://c:4318", PROTOCOL: "http/protobuf" }, []],
  [{ ENDPOINT: "http://u:4317" }, { PROTOCOL: "grpc" }, []],
  [{ ENDPOINT: "http://u:4318/path" }, { PROTOCOL: "http/protobuf" }, []],
  [{ ENDPOINT: "http://u:9999" }, {}, []],
  [{ ENDPOINT: "http://[::1]:4317" }, { PROTOCOL: "grpc" }, []],
  [{ PROTOCOL: "grpc" }, { ENDPOINT: "http://c:4317" }, []],
  [{ PROTOCOL: "http/protobuf" }, { ENDPOINT: "http://c:4318" }, []],
  [{ ENDPOINT: "http://u:4317", PROTOCOL: "http/protobuf" }, {}, ["otlp-port-protocol"]],
  [{ ENDPOINT: "http://u:4318", PROTOCOL: "grpc" }, {}, ["otlp-port-protocol"]],
  [{ ENDPOINT: "http://u:4317", PROTOCOL: "grpc" }, {}, []],
  [
    { ENDPOINT: "http://u:4317", PROTOCOL: "grpc", LOGS_ENDPOINT: "http://u:4318" },
    {},
    ["otlp-port-protocol"],
  ],
  [
    { ENDPOINT: "http://u:4317", LOGS_PROTOCOL: "http/protobuf" },
    { PROTOCOL: "grpc" },
    ["otlp-port-protocol"],
  ],
  [
    { METRICS_PROTOCOL: "grpc" },
    { ENDPOINT: "http://c:4318", PROTOCOL: "http/protobuf", METRICS_ENDPOINT: "http://c:4317" },
    [],
  ],
  [
    { LOGS_ENDPOINT: "http://u:4317", LOGS_PROTOCOL: "http/protobuf", ENDPOINT: "x", PROTOCOL: "grpc" },
    {},
    ["otlp-port-protocol"],
  ],
];

for (const [given, wanted, codes] of PAIRS) {
  test(`endpoint and protocol: ${JSON.stringify(given)}`, () => {
    const env = Object.entries(given).map(([name, value]) => ({ name: `OTEL_EXPORTER_OTLP_${name}`, value }));
    const { rules, told } = otlpRules(
      { env, imageEnv: new Map(), expansion: "none" },
      { protocols: ["http/protobuf", "grpc"], default: "http/protobuf" },
      { grpc: "http://c:4317", http: "http://c:4318" },
    );
    const set = rules.map((rule) => [rule.name.replace("OTEL_EXPORTER_OTLP_", ""), rule.value]);
    assert.deepEqual(Object.fromEntries(set), wanted);
    assert.deepEqual(
      told.map((finding) => finding.code),
      codes,
    );
  });
}
