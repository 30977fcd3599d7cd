import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createGzip } from "node:zlib";
import { collect, ImgvolError, quietCall, removeTree } from "../../src/base/index.ts";
import { MediaType, type Store } from "../../src/oci/index.ts";
import { memoryMedium, memoryStore, verified } from "../../src/store/index.ts";
import { openCache, resolveSubPath, type UnpackLimits } from "../../src/volume/index.ts";
import { imageOf, picture, putImage, type Raw, tarOf } from "../volume/images.ts";

// Each attack aims at `outside`, a sibling of the cache with a file, a folder and links; it must stay as it was.
const call = quietCall();
let folder = "";
let outside = "";
let before_: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "imgvol-test-"));
  outside = join(folder, "outside");
  await mkdir(join(outside, "sub"), { recursive: true });
  await writeFile(join(outside, "target"), "untouched", { mode: 0o600 });
  await writeFile(join(outside, "sub", "inner"), "untouched");
  await symlink("target", join(outside, "link"));
  before_ = await picture(outside);
});
after(() => removeTree(folder));

let caches = 0;

interface Attacked {
  /** The error's code, or the volume as a picture. */
  readonly outcome: string | string[];
  readonly told: string[];
}

async function attack(store: Store, limits: Partial<UnpackLimits> = {}): Promise<Attacked> {
  const cache = await openCache(join(folder, `cache-${++caches}`));
  try {
    await using volume = await cache.volume(store, "v", { limits }, call);
    assert.deepEqual((await cache.verify(call))[0]?.findings, []);
    return { outcome: await picture(volume.root), told: volume.told.map((f) => f.code).sort() };
  } catch (error) {
    assert.ok(error instanceof ImgvolError, String(error));
    for (const part of ["volumes", "tmp"])
      assert.deepEqual(await readdir(join(cache.path, part)), [], error.code);
    return { outcome: error.code, told: [] };
  } finally {
    assert.deepEqual(await picture(outside), before_);
    assert.deepEqual(
      (await readdir(folder)).filter((n) => !n.startsWith("cache-")),
      ["outside"],
    );
  }
}

const names = (outcome: string | string[]): string | string[] =>
  typeof outcome === "string" ? outcome : outcome.map((line) => line.replace(/ .*/, ""));

/** Where the volume's root is, seen from the outside: three folders below the cache. */
const up = "../../../../outside";

const layers: [string, Raw[][] | (() => Raw[][]), string | string[]][] = [
  ["parent names", [[{ path: `${up}/new`, body: "x" }]], "entry-unsafe"],
  ["parent names within", [[{ path: "a/../../../b", body: "x" }]], "entry-unsafe"],
  ["a parent name that stays inside", [[{ path: "a/../b", body: "x" }]], "entry-unsafe"],
  ["an absolute name", () => [[{ path: `${outside}/new`, body: "x" }]], [] as string[]],
  [
    "a link, then a file through it",
    [
      [
        { path: "l", type: "2", target: up },
        { path: "l/target", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "an absolute link, then a folder through it",
    () => [
      [
        { path: "l", type: "2", target: outside },
        { path: "l/new/", type: "5" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a link in one layer, a file through it in the next",
    [[{ path: "l", type: "2", target: up }], [{ path: "l/target", body: "x" }]],
    "entry-unsafe",
  ],
  [
    "a link to a link",
    [
      [
        { path: "a", type: "2", target: up },
        { path: "b", type: "2", target: "a" },
        { path: "b/target", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a link to itself's folder",
    [
      [
        { path: "l", type: "2", target: "." },
        { path: "l/f", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a folder that becomes a link",
    [
      [
        { path: "d/", type: "5" },
        { path: "d", type: "2", target: up },
        { path: "d/target", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a file where a link is",
    [
      [
        { path: "l", type: "2", target: `${up}/target` },
        { path: "l", body: "x" },
      ],
    ],
    ["l"],
  ],
  [
    "a folder where a link is, with modes",
    [
      [
        { path: "l", type: "2", target: `${up}/sub` },
        { path: "l/", type: "5", mode: 0o777 },
      ],
    ],
    ["l/"],
  ],
  [
    "a hard link out, by parent names",
    [
      [
        { path: "h", type: "1", target: `${up}/target` },
        { path: "h", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a hard link out, absolute",
    () => [[{ path: "h", type: "1", target: `${outside}/target` }]],
    "entry-unsafe",
  ],
  [
    "a hard link through a link",
    [
      [
        { path: "l", type: "2", target: up },
        { path: "h", type: "1", target: "l/target" },
      ],
    ],
    "entry-unsafe",
  ],
  [
    "a hard link to a link out, then a file there",
    [
      [
        { path: "l", type: "2", target: `${up}/target` },
        { path: "h", type: "1", target: "l" },
        { path: "h", body: "x" },
      ],
    ],
    ["h", "l"],
  ],
  [
    "a hard link to a folder",
    [
      [
        { path: "d/", type: "5" },
        { path: "h", type: "1", target: "d" },
      ],
    ],
    "entry-unsafe",
  ],
  ["a hard link to the root", [[{ path: "h", type: "1", target: "." }]], "entry-unsafe"],
  [
    "a hard link to itself",
    [
      [
        { path: "h", body: "x" },
        { path: "h", type: "1", target: "h" },
      ],
    ],
    "entry-unsafe",
  ],
  ["a hard link to what is not there", [[{ path: "h", type: "1", target: "nothing" }]], "entry-unsafe"],
  ["a whiteout through a link", [[{ path: "l", type: "2", target: up }], [{ path: "l/.wh.target" }]], ["l"]],
  [
    "an opaque whiteout through a link",
    [[{ path: "l", type: "2", target: up }], [{ path: "l/.wh..wh..opq" }]],
    ["l"],
  ],
  ["a whiteout of the parent", [[{ path: "f", body: "x" }], [{ path: ".wh..." }]], "entry-unsafe"],
  ["a whiteout of the folder itself", [[{ path: "d/f", body: "x" }], [{ path: "d/.wh.." }]], "entry-unsafe"],
  ["a whiteout of nothing", [[{ path: "d/f", body: "x" }], [{ path: "d/.wh." }]], "entry-unsafe"],
  ["the root replaced by a link", [[{ path: "./", type: "2", target: up }]], "entry-unsafe"],
  ["the root replaced by a file", [[{ path: ".", body: "x" }]], "entry-unsafe"],
  ["a link without a target", [[{ path: "l", type: "2" }]], "entry-invalid"],
  [
    "a name that is too long",
    [[{ path: `${"n".repeat(90)}/`, type: "5" }, { path: "ok" }]],
    [`${"n".repeat(90)}/`, "ok"],
  ],
  [
    "a file below a file",
    [
      [
        { path: "f", body: "x" },
        { path: "f/g", body: "x" },
      ],
    ],
    "entry-unsafe",
  ],
];

for (const [name, raw, wanted] of layers) {
  test(`hostile layer: ${name}`, async () => {
    const { outcome, told } = await attack(await imageOf(typeof raw === "function" ? raw() : raw));
    if (name !== "an absolute name") assert.deepEqual(names(outcome), wanted);
    else {
      assert.ok(names(outcome).includes(`${outside.slice(1)}/new`), "confined to the volume");
      assert.deepEqual(told, ["name-absolute"]);
    }
  });
}

test("devices, pipes and special bits do not reach the disk, and are told", async () => {
  const store = await imageOf([
    [
      { path: "null", type: "3", mode: 0o666 },
      { path: "disk", type: "4" },
      { path: "pipe", type: "6" },
      { path: "suid", mode: 0o6755, body: "x" },
      { path: "sticky/", type: "5", mode: 0o1777 },
    ],
  ]);
  const { outcome, told } = await attack(store);
  assert.deepEqual(told, ["device-skipped", "special-bits-dropped"]);
  assert.deepEqual(
    Array.isArray(outcome) ? outcome.map((line) => line.split(" ").slice(0, 2).join(" ")) : outcome,
    ["sticky/ 777", "suid 755"],
  );
});

const bombs: [string, Raw[], Partial<UnpackLimits>, string][] = [
  ["bytes", [{ path: "big", body: Buffer.alloc(3 << 20) }], { bytes: 1 << 20 }, "limit-bytes"],
  ["bytes that a header announces", [{ path: "big", size: 8 ** 11 - 1 }], { bytes: 1 << 30 }, "limit-bytes"],
  [
    "bytes in many files",
    Array.from({ length: 64 }, (_, i) => ({ path: `f${i}`, body: Buffer.alloc(64 << 10) })),
    { bytes: 1 << 20 },
    "limit-bytes",
  ],
  ["entries", Array.from({ length: 101 }, (_, i) => ({ path: `f${i}` })), { entries: 100 }, "limit-entries"],
  [
    "the same entry again and again",
    Array.from({ length: 101 }, () => ({ path: "f" })),
    { entries: 100 },
    "limit-entries",
  ],
  ["depth", [{ path: "a/".repeat(40), type: "5" }], { depth: 20 }, "limit-depth"],
  ["path length", [{ path: `${"abc/".repeat(20)}f` }], { pathBytes: 64 }, "limit-path"],
  ["the disk's reserve", [{ path: "f", body: "x" }], { reserve: Number.MAX_SAFE_INTEGER }, "disk-reserve"],
];
for (const [name, raw, limits, code] of bombs) {
  test(`a bomb stops at its limit: ${name}`, async () => {
    assert.equal((await attack(await imageOf([raw]), limits)).outcome, code);
  });
}

test("a stream of zeros behind the end of the archive is counted, too", async () => {
  // 256 MiB of zeros in 260 kB.
  const gzip = createGzip();
  const parts: Buffer[] = [];
  gzip.on("data", (part: Buffer) => parts.push(part));
  gzip.write(tarOf([{ path: "f", body: "x" }]));
  for (let i = 0; i < 256; i++) gzip.write(Buffer.alloc(1 << 20));
  await new Promise<void>((resolve) => gzip.end(resolve));
  const store = memoryStore();
  await putImage(store, "v", [Buffer.alloc(0)], { compress: () => Buffer.concat(parts) });
  assert.equal((await attack(store, { bytes: 16 << 20 })).outcome, "limit-bytes");
});

test("a blob that is not what its digest says is never seen, though it unpacks to what the config says", async () => {
  const medium = memoryMedium();
  await putImage(verified(medium), "v", [tarOf([{ path: "f", body: "good" }])]);
  const lying = verified({
    ...medium,
    async *open(d, from, c) {
      const bytes = Buffer.from(await collect(medium.open(d, 0, c), 1 << 20, "blob"));
      // The time in gzip's header: other bytes, the same contents.
      if (d.mediaType === MediaType.layerGzip) bytes[4] = 77;
      yield bytes.subarray(from);
    },
  });
  assert.equal((await attack(lying)).outcome, "digest-mismatch");
});

test("a subPath is resolved within the volume", async () => {
  const store = await imageOf([
    [
      { path: "d/sub/f", body: "x" },
      { path: "d/in", type: "2", target: "sub" },
      { path: "back", type: "2", target: "d/../d/./sub" },
      { path: "out", type: "2", target: up },
      { path: "abs", type: "2", target: "/d" },
      { path: "loop", type: "2", target: "loop" },
    ],
  ]);
  const cache = await openCache(join(folder, `cache-${++caches}`));
  await using volume = await cache.volume(store, "v", {}, call);
  for (const [subPath, wanted] of [
    ["", ""],
    [".", ""],
    ["d", "/d"],
    ["d/", "/d"],
    ["d/in", "/d/sub"],
    ["back", "/d/sub"],
    ["d/../d", "/d"],
    ["nope", "subpath-missing"],
    ["d/sub/f", "subpath-not-a-directory"],
    ["d/sub/f/x", "subpath-not-a-directory"],
    ["..", "subpath-escapes"],
    ["d/../../x", "subpath-escapes"],
    ["/d", "subpath-escapes"],
    ["out", "subpath-escapes"],
    ["out/sub", "subpath-escapes"],
    ["abs", "subpath-escapes"],
    ["loop", "subpath-escapes"],
  ] as const) {
    const found = await resolveSubPath(volume.root, subPath).then(
      (path) => path.slice(volume.root.length),
      (error: unknown) => (error instanceof ImgvolError ? error.code : String(error)),
    );
    assert.equal(found, wanted, subPath);
  }
  assert.ok((await stat(volume.root)).isDirectory());
});
