import assert from "node:assert/strict";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import {
  type Call,
  ImgvolError,
  isAbort,
  type Progress,
  quietCall,
  removeTree,
} from "../../src/base/index.ts";
import { MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { type Cache, exportTo, openCache, VolumeError } from "../../src/volume/index.ts";
import { imageOf, picture, putImage, type Raw, tarOf } from "./images.ts";

const call = quietCall();
const folder = await mkdtemp(join(tmpdir(), "imgvol-test-"));
after(() => removeTree(folder));
let caches = 0;
const fresh = (): Promise<Cache> => openCache(join(folder, `cache-${++caches}`));

function code(wanted: string): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof ImgvolError)) return false;
    assert.equal(error.code, wanted, error.message);
    return true;
  };
}

test("a volume has the image's files, modes, links and times, below a root of mode 0755", async () => {
  const store = await imageOf([
    [
      { path: "./", type: "5", mode: 0o700 },
      { path: "bin/", type: "5", mode: 0o555, mtime: 1_000_000 },
      { path: "bin/tool", mode: 0o755, body: "#!/bin/sh\n", mtime: 1_234_567 },
      { path: "deep/implied/file", body: "x" },
      { path: "link", type: "2", target: "bin/tool" },
      { path: "out", type: "2", target: "/etc/hosts" },
      { path: "hard", type: "1", target: "bin/tool" },
      { path: "empty", body: "", mode: 0o600 },
      { path: "group", mode: 0o664, body: "g" },
    ],
  ]);
  const cache = await fresh();
  await using volume = await cache.volume(store, "v", {}, call);
  assert.equal((await stat(volume.root)).mode & 0o7777, 0o755);
  assert.equal((await stat(cache.path)).mode & 0o7777, 0o700);
  assert.deepEqual(
    (await picture(volume.root)).map((line) => line.replace(/ [0-9a-f]{8} /, " ")),
    [
      "bin/ 555",
      "bin/tool 755 10 2",
      "deep/ 755",
      "deep/implied/ 755",
      "deep/implied/file 644 1 1",
      "empty 600 0 1",
      "group 664 1 1",
      "hard 755 10 2",
      "link -> bin/tool",
      "out -> /etc/hosts",
    ],
  );
  assert.equal((await stat(join(volume.root, "bin/tool"))).mtimeMs, 1_234_567_000);
  assert.equal((await stat(join(volume.root, "bin"))).mtimeMs, 1_000_000_000);
  assert.deepEqual(volume.told, []);
  assert.deepEqual((await cache.verify(call))[0]?.findings, []);
});

const base: Raw[] = [
  { path: "d/", type: "5" },
  { path: "d/one", body: "1" },
  { path: "d/two", body: "2" },
  { path: "d/sub/three", body: "3" },
  { path: "f", body: "f" },
  { path: "l", type: "2", target: "d" },
];
const whiteouts: [string, Raw[], string[]][] = [
  ["a file", [{ path: "d/.wh.one" }], ["d/", "d/sub/", "d/sub/three", "d/two", "f", "l"]],
  ["a folder", [{ path: ".wh.d" }], ["f", "l"]],
  [
    "a link, not what it leads to",
    [{ path: ".wh.l" }],
    ["d/", "d/one", "d/sub/", "d/sub/three", "d/two", "f"],
  ],
  ["what is not there", [{ path: "x/.wh.y" }], ["d/", "d/one", "d/sub/", "d/sub/three", "d/two", "f", "l"]],
  ["all of a folder", [{ path: "d/.wh..wh..opq" }, { path: "d/new", body: "n" }], ["d/", "d/new", "f", "l"]],
  [
    "all of a folder, said after its new contents",
    [{ path: "d/sub/new", body: "n" }, { path: "d/.wh..wh..opq" }],
    ["d/", "d/sub/", "d/sub/new", "f", "l"],
  ],
  ["all of the root", [{ path: ".wh..wh..opq" }, { path: "new", body: "n" }], ["new"]],
  [
    "only what lies below this layer",
    [{ path: "d/one", body: "mine" }, { path: "d/.wh.one" }],
    ["d/", "d/one", "d/sub/", "d/sub/three", "d/two", "f", "l"],
  ],
  ["then something of another kind", [{ path: ".wh.d" }, { path: "d", body: "file" }], ["d", "f", "l"]],
  ["none: a file replaces a folder", [{ path: "d", body: "file" }], ["d", "f", "l"]],
  [
    "none: a folder replaces a link",
    [
      { path: "l/", type: "5" },
      { path: "l/x", body: "x" },
    ],
    ["d/", "d/one", "d/sub/", "d/sub/three", "d/two", "f", "l/", "l/x"],
  ],
  [
    "none: aufs' notes are passed over",
    [{ path: ".wh..wh.plnk" }],
    ["d/", "d/one", "d/sub/", "d/sub/three", "d/two", "f", "l"],
  ],
];
for (const [name, layer, paths] of whiteouts) {
  test(`a layer takes away ${name}`, async () => {
    const cache = await fresh();
    await using volume = await cache.volume(await imageOf([base, layer]), "v", {}, call);
    assert.deepEqual(
      (await picture(volume.root)).map((line) => line.replace(/ .*/, "")),
      paths,
    );
    assert.deepEqual((await cache.verify(call))[0]?.findings, [], "the record of the contents follows");
  });
}

test("the compression is what the bytes show, whatever the media type says", async () => {
  for (const compress of [(t: Buffer) => t, (t: Buffer) => gzipSync(t), (t: Buffer) => zstdCompressSync(t)]) {
    for (const mediaType of [MediaType.layerGzip, MediaType.layerTar, MediaType.layerZstd]) {
      const store = await imageOf([[{ path: "f", body: "content" }]], { compress, mediaType });
      await using volume = await (await fresh()).volume(store, "v", {}, call);
      assert.equal(await readFile(join(volume.root, "f"), "utf8"), "content");
    }
  }
});

test("what is no volume image is refused with a code, and nothing is left", async () => {
  const tar = tarOf([{ path: "f", body: "x".repeat(2000) }]);
  const cases: [string, Parameters<typeof putImage>[2], Parameters<typeof putImage>[3]][] = [
    ["diff-id-mismatch", [tar], { diffIds: [`sha256:${"0".repeat(64)}`] }],
    ["layers-mismatch", [tar], { diffIds: [] }],
    ["not-a-volume", [tar], { mediaType: "text/plain" }],
    ["codec-truncated", [tar], { compress: (t) => gzipSync(t).subarray(0, 40) }],
    ["tar-truncated", [tar.subarray(0, 1000)], {}],
    ["tar-invalid", [Buffer.alloc(2048, 7)], {}],
  ];
  for (const [wanted, layers, options] of cases) {
    const store = memoryStore();
    await putImage(store, "v", layers, options);
    const cache = await fresh();
    await assert.rejects(cache.volume(store, "v", {}, call), code(wanted), wanted);
    assert.deepEqual(await readdir(join(cache.path, "volumes")), [], wanted);
    assert.deepEqual(await readdir(join(cache.path, "tmp")), [], wanted);
  }
  const cache = await fresh();
  await assert.rejects(cache.volume(memoryStore(), "v", {}, call), code("not-found"));
});

test("an image without layers is an empty volume", async () => {
  await using volume = await (await fresh()).volume(await imageOf([]), "v", {}, call);
  assert.deepEqual(await readdir(volume.root), []);
});

/** Counts how often a layer is read. */
function counting(store: Store): Store & { reads: number } {
  const counted = {
    ...store,
    reads: 0,
    read(d: Parameters<Store["read"]>[0], c: Call, from?: number) {
      if (d.mediaType === MediaType.layerGzip) counted.reads++;
      return store.read(d, c, from);
    },
  };
  return counted;
}

test("many who want one volume wait for one unpacking, and a second use reads nothing", async () => {
  const store = counting(await imageOf([[{ path: "f", body: "content" }]]));
  const cache = await fresh();
  const volumes = await Promise.all(Array.from({ length: 8 }, () => cache.volume(store, "v", {}, call)));
  assert.equal(store.reads, 1);
  assert.equal(new Set(volumes.map((v) => v.root)).size, 1);
  for (const volume of volumes) await volume[Symbol.asyncDispose]();
  await using _again = await cache.volume(store, "v", {}, call);
  assert.equal(store.reads, 1);
});

test("an error in a layer ends the waiting for the rest of it", { timeout: 60_000 }, async () => {
  const whole = await imageOf([
    [
      { path: "../out", body: "x" },
      { path: "rest", body: Buffer.alloc(4 << 20) },
    ],
  ]);
  const silentAfterAll: Store = {
    ...whole,
    async *read(d, c, from) {
      yield* whole.read(d, c, from);
      if (d.mediaType !== MediaType.layerGzip) return;
      yield Buffer.alloc(1 << 20);
      c.signal.throwIfAborted();
      // As a registry that sends no more: only who gives up gets on.
      await new Promise((_, reject) => c.signal.addEventListener("abort", () => reject(c.signal.reason)));
    },
  };
  const cache = await fresh();
  await assert.rejects(cache.volume(silentAfterAll, "v", {}, call), code("entry-unsafe"));
  assert.deepEqual(await readdir(join(cache.path, "tmp")), []);
});

test("an aborted unpacking throws the abort and leaves nothing", async () => {
  const stop = new AbortController();
  const whole = await imageOf([[{ path: "f", body: Buffer.alloc(4 << 20, "abc") }]]);
  const store: Store = {
    ...whole,
    async *read(d, c, from) {
      for await (const chunk of whole.read(d, c, from)) {
        if (d.mediaType === MediaType.layerGzip) stop.abort();
        yield chunk;
      }
    },
  };
  const cache = await fresh();
  await assert.rejects(cache.volume(store, "v", {}, quietCall(stop.signal)), isAbort);
  assert.deepEqual(await readdir(join(cache.path, "volumes")), []);
  assert.deepEqual(await readdir(join(cache.path, "tmp")), []);
});

test("prune removes what nothing uses, and keeps what is held", async () => {
  const cache = await fresh();
  const held = await cache.volume(await imageOf([[{ path: "held", body: "1" }]]), "v", {}, call);
  const free = await cache.volume(
    await imageOf([
      [
        { path: "locked/", type: "5", mode: 0o500 },
        { path: "locked/f", body: "2", mode: 0o400 },
      ],
    ]),
    "v",
    {},
    call,
  );
  await free[Symbol.asyncDispose]();
  assert.deepEqual(
    (await cache.list(call)).map((v) => [v.manifest, v.inUse]).sort(),
    [
      [held.manifest, true],
      [free.manifest, false],
    ].sort(),
  );
  const nothing = await cache.prune({}, call);
  assert.deepEqual([nothing.removed, nothing.kept, nothing.swept], [[], [], 0]);
  assert.deepEqual((await cache.prune({ olderThan: 60_000 }, call)).removed, []);
  const pruned = await cache.prune({ all: true }, call);
  assert.deepEqual(
    [pruned.removed.map((v) => v.manifest), pruned.kept.map((v) => v.manifest)],
    [[free.manifest], [held.manifest]],
  );
  await held[Symbol.asyncDispose]();
  assert.equal((await cache.prune({ keepBytes: 0 }, call)).removed.length, 1);
  assert.deepEqual(
    [await readdir(join(cache.path, "volumes")), await readdir(join(cache.path, "tmp"))],
    [[], []],
  );
});

test("verify finds what changed; a volume from before a power cut is checked, and unpacked again", async () => {
  const store = counting(
    await imageOf([
      [
        { path: "d/f", body: "content" },
        { path: "g", body: "other" },
        { path: "l", type: "2", target: "g" },
      ],
    ]),
  );
  const cache = await fresh();
  const volume = await cache.volume(store, "v", {}, call);
  const damage: [() => Promise<unknown>, RegExp][] = [
    [() => writeFile(join(volume.root, "d/f"), "CONTENT"), /: d\/f: its bytes have changed$/],
    [() => chmod(join(volume.root, "g"), 0o600), /: g: its mode is 600$/],
    [() => rm(join(volume.root, "l")), /: l: it is missing$/],
    [() => writeFile(join(volume.root, "extra"), ""), /: extra: it is not of the image$/],
  ];
  for (const [damageIt] of damage) await damageIt();
  const found = (await cache.verify(call))[0]?.findings ?? [];
  assert.equal(found.length, damage.length);
  for (const [, message] of damage)
    assert.ok(
      found.some((f) => message.test(f.message)),
      String(message),
    );
  for (const { message } of found)
    assert.ok(message.includes(`(${volume.manifest.slice(0, 19)}): `), message);
  assert.match(found.at(-1)?.fix[0] ?? "", /^it is in use: /);
  assert.deepEqual((await cache.prune({}, call)).removed, [], "what is in use stays");

  await using _same = await cache.volume(store, "v", {}, call);
  assert.equal(store.reads, 1, "within one boot the files are trusted");
  const record = join(volume.root, "..", "volume.json");
  const json = JSON.parse(await readFile(record, "utf8"));
  await writeFile(record, JSON.stringify({ ...json, boot: "an earlier one" }));
  await using _mended = await cache.volume(store, "v", {}, call);
  assert.equal(store.reads, 2);
  assert.deepEqual((await cache.verify(call))[0]?.findings, []);
  await volume[Symbol.asyncDispose]();
});

test("a damaged volume that nothing uses is unpacked anew, or goes with any prune", async () => {
  const store = counting(await imageOf([[{ path: "f", body: "content" }]]));
  const cache = await fresh();
  const damage = async (): Promise<void> => {
    const volume = await cache.volume(store, "v", { reference: "host/name:v" }, call);
    await writeFile(join(volume.root, "f"), "CONTENT");
    await volume[Symbol.asyncDispose]();
    const [found] = await cache.verify(call);
    assert.equal(found?.damaged, true);
    assert.match(found?.findings[0]?.message ?? "", /^host\/name:v \(sha256:[0-9a-f]{12}\): f: its bytes/);
    assert.match(found?.findings[0]?.fix[0] ?? "", /imgvol cache prune removes it now$/);
  };
  await damage();
  const anew = await cache.volume(store, "v", { reference: "host/name:v" }, call);
  assert.deepEqual([store.reads, await readFile(join(anew.root, "f"), "utf8")], [2, "content"]);
  await anew[Symbol.asyncDispose]();
  assert.deepEqual((await cache.prune({}, call)).removed, []);
  await damage();
  assert.deepEqual(
    (await cache.prune({}, call)).removed.map((v) => v.manifest),
    [anew.manifest],
  );
  assert.deepEqual(await cache.list(call), []);
});

test("the record of the contents follows every name, and hard links to what is replaced later", async () => {
  const store = counting(
    await imageOf([
      [
        { path: "line\u2028end\u0085", body: "odd name" },
        { path: "first", body: "old" },
        { path: "second", type: "1", target: "first" },
        { path: "first", body: "new" },
      ],
    ]),
  );
  const cache = await fresh();
  await using volume = await cache.volume(store, "v", {}, call);
  assert.equal(await readFile(join(volume.root, "second"), "utf8"), "old");
  assert.deepEqual((await cache.verify(call))[0]?.findings, []);
  await writeFile(join(volume.root, "second"), "OLD");
  assert.deepEqual(
    (await cache.verify(call))[0]?.findings.map((f) => f.message.replace(/^.*?\): /, "")),
    ["second: its bytes have changed"],
  );
  await rm(join(volume.root, "..", "contents"));
  assert.deepEqual(
    (await cache.verify(call))[0]?.findings.map((f) => f.message.replace(/^.*?\): /, "")),
    ["the volume: the record of the contents is damaged"],
  );
});

test("many hard links to a large file cost no more than the file", async () => {
  const links: Raw[] = Array.from({ length: 2000 }, (_, i) => ({ path: `l${i}`, type: "1", target: "f" }));
  const store = await imageOf([[{ path: "f", body: Buffer.alloc(8 << 20, "x") }, ...links]]);
  const cache = await fresh();
  await using volume = await cache.volume(store, "v", {}, call);
  assert.equal((await stat(join(volume.root, "l1999"))).nlink, 2001);
  // Reading the file for each link would be 16 GB: the record says for each what it is a link to.
  const contents = await readFile(join(volume.root, "..", "contents"), "utf8");
  assert.equal(contents.match(/"type":"hardlink","target":"f"/g)?.length, 2000);
});

test("folders that no entry names count as entries", async () => {
  const store = await imageOf([
    Array.from({ length: 5 }, (_, i) => ({ path: `${i}/${"d/".repeat(30)}f`, body: "" })),
  ]);
  const cache = await fresh();
  await assert.rejects(cache.volume(store, "v", { limits: { entries: 154 } }, call), code("limit-entries"));
  assert.deepEqual(await readdir(join(cache.path, "tmp")), []);
  await using _volume = await cache.volume(store, "v", { limits: { entries: 160 } }, call);
  assert.equal((await cache.list(call))[0]?.entries, 5);
});

test("what strays into the cache's folders is neither listed nor in the way", async () => {
  const cache = await fresh();
  await writeFile(join(cache.path, "volumes", "stray"), "");
  assert.deepEqual(await cache.list(call), []);
  await cache.prune({}, call);
  assert.deepEqual(await readdir(join(cache.path, "volumes")), []);
});

test("a cache that cannot be made is told with the way out", async () => {
  const file = join(folder, "no-folder");
  await writeFile(file, "");
  await assert.rejects(openCache(join(file, "cache")), (e) => {
    assert.ok(e instanceof VolumeError && e.code === "cache-unwritable");
    assert.match(e.hint ?? "", /IMGVOL_CACHE/);
    return true;
  });
});

test("an export names the folder that it was given, not where it unpacks", async () => {
  const store = await imageOf([[{ path: "f", body: "x" }]]);
  const at = join(folder, "small-disk");
  const limits = { reserve: Number.MAX_SAFE_INTEGER };
  const said: string[] = [];
  const progress: Progress = {
    say: (sentence) => void said.push(sentence),
    start: () => ({
      advance() {},
      done: () => void said.push("done"),
      failed: () => void said.push("failed"),
    }),
  };
  await assert.rejects(exportTo(store, "v", at, { limits }, { ...call, progress }), (e) => {
    assert.deepEqual(said, ["failed"], "nothing is told as done that is refused");
    assert.ok(e instanceof ImgvolError && e.code === "disk-reserve");
    assert.ok(e.message.includes(`on the disk of ${at};`), e.message);
    assert.match(e.hint ?? "", /export to another disk/);
    return true;
  });
  assert.ok(!(await readdir(folder)).some((name) => name.includes("small-disk")));
});

test("a cache that another user could exchange is refused", async () => {
  const shared = join(folder, "file");
  await writeFile(shared, "");
  await assert.rejects(openCache(join(shared, "cache")));
  const cache = await fresh();
  await chmod(cache.path, 0o777);
  await openCache(cache.path);
  assert.equal((await lstat(cache.path)).mode & 0o777, 0o700, "closed again");
  // Root owns /, so for anyone else this is another user's folder; to root it is one that it must not own here.
  const others = process.geteuid?.() === 0 ? join(folder, "theirs") : "/";
  if (process.geteuid?.() === 0) {
    const { chown, mkdir } = await import("node:fs/promises");
    await mkdir(others);
    await chown(others, 65534, 65534);
  }
  await assert.rejects(openCache(others), (e) => e instanceof VolumeError && e.code === "cache-unsafe");
});
