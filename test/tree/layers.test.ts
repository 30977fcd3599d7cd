import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fromBytes, ImgvolError, quietCall } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { layersTree, mergeLayers } from "../../src/tree/index.ts";
import { archive, layersOf } from "./archive.ts";
import { listing } from "./listing.ts";

// What layers, from the lowest, make when laid over each other; modes, owners and times are the archive's own.
const table: readonly { name: string; layers: readonly (readonly string[])[]; merged: readonly string[] }[] =
  [
    {
      name: "later layers win, and folders keep what lower layers put in them",
      layers: [
        ["dir d", "file d/a 1", "file d/b 1"],
        ["dir d", "file d/a 22"],
      ],
      merged: ["dir d", "file d/a 22", "file d/b 1"],
    },
    { name: "a later entry of one layer wins", layers: [["file a 1", "file a 22"]], merged: ["file a 22"] },
    {
      name: "missing folders are made",
      layers: [["file a/b/c 1"]],
      merged: ["dir! a", "dir! a/b", "file a/b/c 1"],
    },
    {
      name: "a whiteout hides a file, or a folder with all that is in it",
      layers: [
        ["file a 1", "dir d", "file d/x 1", "file e 1"],
        ["file .wh.a ", "file .wh.d ", "file f 1"],
      ],
      merged: ["file e 1", "file f 1"],
    },
    {
      name: "a whiteout does not hide what its own layer has, whatever the order",
      layers: [
        ["dir d", "file d/old 1"],
        ["file a 1", "file .wh.a ", "dir d", "file d/new 1", "file .wh.d "],
      ],
      merged: ["file a 1", "dir d", "file d/new 1"],
    },
    {
      name: "an opaque whiteout hides what lower layers have in a folder",
      layers: [
        ["dir d", "file d/a 1", "dir d/s", "file d/s/x 1"],
        ["file d/b 1", "file d/s/y 1", "file d/.wh..wh..opq "],
      ],
      merged: ["dir d", "file d/b 1", "dir d/s", "file d/s/y 1"],
    },
    { name: "whiteouts of nothing do nothing", layers: [["file .wh.a ", "file n/.wh.b "]], merged: [] },
    {
      name: "AUFS' own records are not entries",
      layers: [["dir .wh..wh.plnk", "file .wh..wh.aufs "]],
      merged: [],
    },
    {
      name: "a file takes a folder's place, and a folder a file's",
      layers: [
        ["dir d", "file d/x 1", "file f 1"],
        ["file d 1", "dir f", "file f/x 1"],
      ],
      merged: ["file d 1", "dir f", "file f/x 1"],
    },
    {
      name: "hard links share content, also across layers, and outlive the name they were made from",
      layers: [["file a 1", "hardlink b a"], ["hardlink c b"], ["file .wh.a "], ["file b 22"]],
      merged: ["file b 22", "file c 1"],
    },
    {
      name: "the first name in order holds the content",
      layers: [["file z 1", "hardlink y z", "hardlink x y"]],
      merged: ["file x 1", "hardlink y -> x", "hardlink z -> x"],
    },
    {
      name: "a link on the way to an entry is followed within the volume",
      layers: [
        ["dir usr", "dir usr/lib", "symlink lib usr/lib", "symlink out /../../usr"],
        ["file lib/x 1", "file out/y 1", "file lib/.wh.z "],
      ],
      merged: [
        "symlink lib -> usr/lib",
        "symlink out -> /../../usr",
        "dir usr",
        "dir usr/lib",
        "file usr/lib/x 1",
        "file usr/y 1",
      ],
    },
    {
      name: "the root's own entry, `./` and leading slashes are nothing special",
      layers: [["dir ./", "file ./a 1", "file /b 1", "dir c/"]],
      merged: ["file a 1", "file b 1", "dir c"],
    },
    { name: "devices and pipes are left out", layers: [["file a 1", "char a", "fifo p"]], merged: [] },
  ];

function shown(line: string): string {
  const made = line.startsWith("dir! ");
  const [type = "", path = "", ...rest] = line.split(" ");
  const content = rest.join(" ");
  const common = `${path} ${made || type === "dir!" ? "755" : "640"} 3:4 5`;
  if (type === "file") return `file ${common} ${content.length} ${JSON.stringify(content)}`;
  return rest.length > 0 ? `${type} ${common} ${content}` : `dir ${common}`;
}

for (const { name, layers, merged } of table) {
  test(`layers: ${name}`, async () => {
    const store = memoryStore();
    const tree = layersTree(store, await layersOf(store, layers));
    assert.deepEqual(await listing(tree), merged.map(shown));
  });
}

const hostile: Readonly<Record<string, readonly string[]>> = {
  "a name that leads out": ["file ../x 1"],
  "a name that leads out in its middle": ["file a/../../x 1"],
  "a hard link that leads out": ["hardlink a ../../etc/passwd"],
  "a hard link to nothing": ["hardlink a b"],
  "a hard link to a folder": ["dir d", "hardlink a d"],
  "an entry below a file": ["file a 1", "file a/b 1"],
  "an entry below a link that leads to itself": ["symlink a a", "file a/b 1"],
};
for (const [name, lines] of Object.entries(hostile)) {
  test(`a layer with ${name} is refused`, async () => {
    const store = memoryStore();
    const tree = layersTree(store, await layersOf(store, [lines]));
    await assert.rejects(listing(tree), (e) => e instanceof ImgvolError && e.code === "layer-invalid");
  });
}

test("layers are read by their magic number, whatever their media type says", async () => {
  const store = memoryStore();
  const plain = archive(["file a 1"]);
  for (const [mediaType, bytes] of [
    [MediaType.layerTar, gzipSync(plain)],
    [MediaType.layerZstd, plain],
  ] as const) {
    const layer = await store.ingest(mediaType, fromBytes(bytes), quietCall());
    assert.deepEqual(await listing(layersTree(store, [layer])), [shown("file a 1")]);
  }
});

test("what is no layer is refused by its media type", async () => {
  const store = memoryStore();
  const layer = await store.ingest("text/plain", fromBytes(archive([])), quietCall());
  await assert.rejects(
    listing(layersTree(store, [layer])),
    (e) => e instanceof ImgvolError && e.code === "media-type-unknown",
  );
});

test("paths are found through links, and bodies read from any offset, in any order, two at once", async () => {
  const store = memoryStore();
  const layers = await layersOf(store, [
    ["dir d", "file d/a aaaa", "file d/b bbbb"],
    ["symlink l d", "file e eeee"],
  ]);
  const merged = await mergeLayers(store, layers, quietCall());
  const read = async (path: string, from = 0) => {
    const entry = merged.find(path);
    if (entry?.type !== "file") return entry?.type;
    const parts: Uint8Array[] = [];
    for await (const chunk of entry.body.open(from, quietCall())) parts.push(Buffer.from(chunk));
    return Buffer.concat(parts).toString();
  };
  assert.equal(await read("l/b"), "bbbb");
  assert.equal(await read("l"), "symlink");
  assert.equal(await read("d/a", 1), "aaa");
  assert.equal(await read("e", 4), "");
  assert.equal(await read("nope"), undefined);
  assert.equal(await read("e/x"), undefined);

  const bodies = [];
  for await (const e of merged.tree(quietCall()))
    if (e.type === "file") bodies.push(e.body.open(0, quietCall()));
  const both = await Promise.all(
    bodies.map(async (body) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of body) parts.push(Buffer.from(chunk));
      return Buffer.concat(parts).toString();
    }),
  );
  assert.deepEqual(both, ["aaaa", "bbbb", "eeee"]);
});

test("an image of too many entries, or whose links lead on and on, is refused", async () => {
  const store = memoryStore();
  const layers = await layersOf(store, [["file a 1", "file b 1"], ["file a 1"]]);
  await assert.rejects(mergeLayers(store, layers, quietCall(), 2), { code: "too-many-entries" });
  await mergeLayers(store, layers, quietCall(), 3);

  // Each link leads 40 folders deeper through the one before.
  const deep = Array.from({ length: 60 }, (_, i) => [
    `dir ${i === 0 ? "" : `l${i - 1}/`}${"d/".repeat(40)}`,
    `symlink l${i} ${i === 0 ? "" : `l${i - 1}/`}${"d/".repeat(40)}`,
  ]);
  const chain = await layersOf(store, [deep.flat()]);
  await assert.rejects(mergeLayers(store, chain, quietCall()), { code: "layer-invalid" });
});
