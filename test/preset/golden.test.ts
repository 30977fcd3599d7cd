// Each folder of golden/ is one case: in.json (the container), options.json (preset, layout, and where it is switched
// on), out.json (its environment afterwards, or why it was left alone). UPDATE=1 writes out.json anew.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Container,
  type EnvVar,
  findPreset,
  layoutNamed,
  type Merged,
  presets,
  type SwitchOn,
  switchOn,
} from "../../src/preset/index.ts";

interface Given {
  readonly env: readonly EnvVar[];
  readonly imageEnv?: Readonly<Record<string, string>>;
  readonly expansion?: Container["expansion"];
}

type Options = SwitchOn & { readonly preset: string; readonly layout: string };

const GOLDEN = join(import.meta.dirname, "golden");
const cases = readdirSync(GOLDEN).sort();

function read<T>(name: string, file: string): T {
  return JSON.parse(readFileSync(join(GOLDEN, name, file), "utf8"));
}

function run(given: Given, options: Options): Merged {
  const preset = findPreset(options.preset);
  const container: Container = {
    env: given.env,
    imageEnv: given.imageEnv && new Map(Object.entries(given.imageEnv)),
    expansion: given.expansion ?? "kubelet",
  };
  return switchOn(preset, layoutNamed(preset, options.layout), container, options);
}

for (const name of cases) {
  test(`golden: ${name}`, () => {
    const given = read<Given>(name, "in.json");
    const options = read<Options>(name, "options.json");
    const got = run(given, options);
    const file = join(GOLDEN, name, "out.json");
    if (process.env["UPDATE"] === "1") writeFileSync(file, `${JSON.stringify(got, null, 2)}\n`);
    assert.ok(existsSync(file), "no out.json: run with UPDATE=1, and read what it wrote");
    assert.deepEqual(got, read(name, "out.json"));
    if ("env" in got) {
      const again = run({ ...given, env: got.env }, options);
      assert.deepEqual("env" in again && again.env, got.env, "twice is once");
    }
  });
}

test("every preset has a golden folder", () => {
  const shown = new Set(cases.map((name) => read<Options>(name, "options.json").preset));
  assert.deepEqual(
    presets().map((preset) => preset.name),
    [...shown].sort(),
  );
});
