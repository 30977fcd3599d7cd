import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conformity, conform } from "../peers/conformance.ts";
import { REGISTRIES } from "../peers/registries.ts";
import { releaseOf } from "../peers/release.ts";
import type { RunningRegistry } from "../peers/server.ts";
import { markdownTable, updating, writeSection } from "./interoperability.ts";
import { startOwnRegistry } from "./own-registry.ts";

// The distribution-spec's own tests, with images that lack parts (sparse), against `registry serve` and beside it
// against the registries of others. What others pass is theirs to say: of them only is asserted that they ran.

const VERSIONS = ["1.1", "dev"] as const;
/** How many tests the program had when this was written, at least: a wrong setting runs fewer. */
const FLOORS = { ours: { "1.1": 900, dev: 1026 }, others: { "1.1": 850, dev: 980 } } as const;

const MARKS: Readonly<Record<string, string>> = { Pass: "yes", FAIL: "no", Skip: "skipped" };

interface Row {
  readonly name: string;
  readonly results: Readonly<Record<(typeof VERSIONS)[number], Conformity>>;
}
const rows: Row[] = [];

const folderOf = (name: string): string => name.replaceAll(/[^\w.-]+/g, "-");

async function conformity(
  name: string,
  start: () => Promise<RunningRegistry>,
  check: (result: Conformity, version: (typeof VERSIONS)[number]) => void,
): Promise<void> {
  const results: Conformity[] = [];
  for (const version of VERSIONS) {
    // Each version meets an empty registry.
    await using registry = await start();
    const result = await conform(registry.host, { name: folderOf(name), version, sparse: true });
    check(result, version);
    results.push(result);
  }
  const [stable, dev] = results;
  assert.ok(stable !== undefined && dev !== undefined);
  rows.push({ name, results: { "1.1": stable, dev } });
}

for (const [place, folder] of [
  ["a folder", true],
  ["memory", false],
] as const) {
  test(`the registry over ${place} passes every conformance test of the distribution-spec`, async (t) => {
    await conformity(
      `imgvol, ${place}`,
      () => startOwnRegistry({ folder, sparse: true }),
      (result, version) => {
        t.diagnostic(`${version}: ${result.passed} of ${result.tests} passed; ${result.report}`);
        assert.deepEqual(result.told, []);
        assert.deepEqual([result.failed, result.skipped], [0, 0]);
        assert.ok(result.tests >= FLOORS.ours[version], `only ${result.tests} tests ran`);
      },
    );
  });
}

test("started without an option, the registry passes all of it but images that lack parts", async () => {
  for (const version of VERSIONS) {
    await using registry = await startOwnRegistry();
    const result = await conform(registry.host, { name: "imgvol-default", version, sparse: false });
    assert.deepEqual(result.told, []);
    assert.deepEqual([result.failed, result.skipped], [0, 0]);
    assert.ok(result.tests >= FLOORS.others[version], `only ${result.tests} tests ran`);
  }
});

for (const { name, peer, start } of REGISTRIES) {
  test(`the conformance tests run against ${name}`, async (t) => {
    await conformity(
      `${name} ${await releaseOf(peer)}`,
      () => start({ sparse: true }),
      (result, version) => {
        t.diagnostic(`${version}: ${result.passed} of ${result.tests} passed`);
        assert.ok(result.tests >= FLOORS.others[version], `only ${result.tests} tests ran`);
      },
    );
  });
}

test("the page's table of conformance can be made from these runs", async () => {
  const counts = (c: Conformity): string[] => [c.passed, c.failed, c.skipped].map(String);
  const head = ["registry", ...VERSIONS.flatMap((v) => [`${v}: passed`, "failed", "skipped"])];
  const body = rows.map(({ name, results }) => [name, ...VERSIONS.flatMap((v) => counts(results[v]))]);
  assert.equal(body.length, REGISTRIES.length + 2);
  const kinds = [...new Set(rows.flatMap(({ results }) => [...results.dev.content.keys()]))];
  const mark = ({ results }: Row, kind: string): string => MARKS[results.dev.content.get(kind) ?? ""] ?? "–";
  // What all pass needs no row.
  const telling = kinds.filter((kind) => rows.some((row) => mark(row, kind) !== "yes"));
  const wide = [["content", ...rows.map(({ name }) => name)]];
  for (const kind of telling) wide.push([kind, ...rows.map((row) => mark(row, kind))]);
  const text = `${markdownTable([head, ...body])}\n${markdownTable(wide)}`;
  if (updating) await writeSection("conformance", text);
});
