import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { createZstdDecompress } from "node:zlib";
import fc from "fast-check";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { exportTar, ls, pack } from "../../src/pack/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { crane } from "../peers/crane.ts";
import { startDockerRegistry } from "../peers/docker-registry.ts";
import { oras } from "../peers/oras.ts";
import { programOf, run } from "../peers/program.ts";
import { umoci } from "../peers/umoci.ts";
import { AWKWARD, makeAwkward, type Shape, shapesOf } from "./awkward.ts";

// Any folder, however awkward: packed, pushed to the registry that most of the world runs, and unpacked by others.

const call = quietCall();
const FOLDERS = Number(process.env["FOLDERS"] ?? 25);

/** What a volume is to hold of a shape: by default plain modes and no time; with the options, nearly all. */
function promised(shape: Shape, keepModes: boolean, limit: number): Shape {
  const mtime = Math.max(0, Math.min(shape.mtime, limit));
  const plain = shape.kind === "folder" || shape.mode & 0o111 ? 0o755 : 0o644;
  return { ...shape, mtime, mode: shape.kind === "symlink" ? 0o777 : keepModes ? shape.mode : plain };
}

async function compare(root: string, wanted: ReadonlyMap<string, Shape>, by: string): Promise<void> {
  const found = await shapesOf(root);
  assert.deepEqual([...found.keys()], [...wanted.keys()], `${by}: names`);
  for (const [path, shape] of wanted) {
    // A link's own time is nothing that a reader must set.
    const mtime = shape.kind === "symlink" ? (found.get(path)?.mtime ?? 0) : shape.mtime;
    assert.deepEqual(found.get(path), { ...shape, mtime }, `${by}: ${JSON.stringify(path)}`);
  }
}

test(`${FOLDERS} awkward folders are what they were after umoci and GNU tar unpacked them`, {
  timeout: 600_000,
}, async (t) => {
  await using registry = await startDockerRegistry();
  const seed = Number(process.env["SEED"] ?? Math.trunc(performance.timeOrigin) % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  let paths = 0;
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      AWKWARD,
      fc.constantFrom("auto" as const, "gzip" as const, "zstd" as const, "none" as const),
      fc.boolean(),
      fc.constantFrom(undefined, 1_700_000_000),
      async (items, compression, keepModes, sourceDateEpoch) => {
        await using folder = await temporaryFolder(tmpdir(), "imgvol-awkward-");
        const at = (name: string): string => join(folder.path, name);
        const env = { HOME: folder.path, LC_ALL: "C.UTF-8" };
        await mkdir(at("tree"));
        await makeAwkward(at("tree"), items);
        const wanted = new Map<string, Shape>();
        for (const [path, shape] of await shapesOf(at("tree"))) {
          wanted.set(path, promised(shape, keepModes, sourceDateEpoch ?? 0));
        }
        paths += wanted.size;

        const repository = `awkward/number-${count++}`;
        const remote = openRemote({ registry: registry.host, repository });
        const options = { tag: "v1", format: { compression }, keepModes, sourceDateEpoch };
        const packed = await pack([{ path: at("tree") }], remote, options, call);
        const named = `${registry.host}/${repository}:v1`;
        if (compression === "auto" || compression === "gzip") {
          await run(await programOf(crane), ["validate", "--remote", named], { env });
        }
        const copied = ["cp", "--from-plain-http", "--to-oci-layout", "--platform", "linux/arm64"];
        await run(await programOf(oras), [...copied, named, `${at("layout")}:v1`], { env });
        const unpack = ["raw", "unpack", "--image", `${at("layout")}:v1`, at("umoci")];
        await run(await programOf(umoci), unpack, { env });
        await compare(at("umoci"), wanted, "umoci");

        // The layer as it lies in the layout, by tar alone.
        const [digest = ""] = packed.layers.map((layer) => layer.descriptor.digest);
        const layer = join(at("layout"), "blobs", digest.replace(":", "/"));
        await mkdir(at("tar"));
        const opened = compression === "zstd" ? at("layer.tar") : layer;
        // Not every tar has a zstd at hand.
        if (opened !== layer) {
          await pipeline(createReadStream(layer), createZstdDecompress(), createWriteStream(opened));
        }
        const extract = ["-xpf", opened, "-C", at("tar"), "--same-owner"];
        assert.equal((await run("tar", extract, { env })).stderr, "");
        await compare(at("tar"), wanted, "GNU tar");

        // And what we list and export of it ourselves.
        const listed: string[] = [];
        for await (const entry of ls(remote, "v1", "", {}, call)) listed.push(entry.path);
        assert.deepEqual(listed.sort(), [...wanted.keys()].sort());
        await pipeline(exportTar(remote, "v1", {}, call), createWriteStream(at("export.tar")));
        await mkdir(at("export"));
        await run("tar", ["-xpf", at("export.tar"), "-C", at("export")], { env });
        await compare(at("export"), wanted, "our export");
      },
    ),
    { numRuns: FOLDERS, seed, endOnFailure: process.env["CI"] !== undefined },
  );
  t.diagnostic(`${paths} paths`);
});
