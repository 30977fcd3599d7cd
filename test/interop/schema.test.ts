import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { run } from "../peers/program.ts";
import { checkSchema } from "../peers/schema.ts";
import { makeTree } from "./matrix-images.ts";
import { startOwnRegistry } from "./own-registry.ts";

// The image-spec's own schemas judge what `imgvol pack` makes: every document of the layout, every descriptor, and
// every blob against its digest and size.

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");
const work = await temporaryFolder(tmpdir(), "imgvol-schema-");
after(() => work[Symbol.asyncDispose]());
const at = (...parts: string[]): string => join(work.path, ...parts);
const tree = at("tree");
await makeTree(tree);

const imgvol = (...args: readonly string[]): Promise<unknown> =>
  run(process.execPath, [main, ...args], { env: { HOME: at("home"), IMGVOL_CACHE: at("cache") } });

/** An index of two platforms: index.json and the index, a manifest and a config each; and `layers`. */
const TWO = (layers: number) => ({ layout: 1, index: 2, manifest: 2, config: 2, blob: layers });
const ONE = (layers: number) => ({ layout: 1, index: 1, manifest: 1, config: 1, blob: layers });

const PACKS: Readonly<Record<string, [args: readonly string[], counts: Readonly<Record<string, number>>]>> = {
  "gzip layers": [[tree, "--compress", "gzip"], TWO(1)],
  "zstd layers": [[tree, "--compress", "zstd"], TWO(1)],
  "plain layers": [[tree, "--compress", "none"], TWO(1)],
  "one manifest without an index": [[tree, "--platform", "none"], ONE(1)],
  "one zstd manifest": [[tree, "--platform", "none", "--compress", "zstd"], ONE(1)],
  "an index of one platform": [[tree, "--platform", "linux/arm/v7"], { ...ONE(1), index: 2 }],
  "several layers": [[tree, "--split", "8KiB"], TWO(5)],
  "annotations and an owner": [
    [tree, "--annotation", "org.opencontainers.image.title=a title", "--owner", "1000:1000"],
    TWO(1),
  ],
  "the preset otel-node": [["preset:otel-node"], TWO(1)],
  "the preset otel-java, in zstd": [["preset:otel-java", "--compress", "zstd"], TWO(1)],
};

for (const [name, [args, counts]] of Object.entries(PACKS)) {
  test(`the schemas accept an image of ${name}`, async () => {
    const layout = at(name.replaceAll(/\W+/g, "-"));
    await imgvol("pack", ...args, "-t", `oci:${layout}:v1`);
    const { wrong, checked } = await checkSchema(layout);
    assert.deepEqual(wrong, []);
    assert.partialDeepStrictEqual(checked, counts);
  });
}

test("the schemas accept what went through our registry, an archive and a copy", async () => {
  await using registry = await startOwnRegistry({ folder: true });
  const remote = `${registry.host}/schema:v1`;
  await imgvol("pack", tree, "-t", remote);
  await imgvol("copy", remote, `oci-archive:${at("image.tar")}:v1`);
  await imgvol("copy", `oci-archive:${at("image.tar")}:v1`, `oci:${at("copied")}:v1`);
  await mkdir(at("archive"));
  await run("tar", ["-xf", at("image.tar"), "-C", at("archive")]);
  for (const layout of [at("archive"), at("copied")]) {
    const { wrong, checked } = await checkSchema(layout);
    assert.deepEqual(wrong, []);
    assert.partialDeepStrictEqual(checked, TWO(1));
  }
});

const MUTATIONS: Readonly<
  Record<string, [file: string, (document: Record<string, unknown>) => void, RegExp]>
> = {
  "a layout of another version": [
    "oci-layout",
    (d) => Object.assign(d, { imageLayoutVersion: "2" }),
    /oci-layout/,
  ],
  "an index without schemaVersion": ["index.json", (d) => delete d["schemaVersion"], /schemaVersion/],
  "a descriptor without a size": [
    "index.json",
    (d) => delete (d["manifests"] as { size?: number }[])[0]?.size,
    /missing properties: 'size'/,
  ],
  "a size that is not the blob's": [
    "index.json",
    (d) => Object.assign((d["manifests"] as object[])[0] ?? {}, { size: 7 }),
    /is not what its descriptor says/,
  ],
};

for (const [name, [file, change, told]] of Object.entries(MUTATIONS)) {
  test(`the schemas refuse ${name}: they can tell`, async () => {
    const layout = at("changed", name.replaceAll(/\W+/g, "-"));
    await imgvol("pack", tree, "-t", `oci:${at("whole")}:v1`);
    await cp(at("whole"), layout, { recursive: true });
    const document = JSON.parse(await readFile(join(layout, file), "utf8"));
    change(document);
    await writeFile(join(layout, file), JSON.stringify(document));
    assert.match((await checkSchema(layout)).wrong.join("\n"), told);
  });
}
