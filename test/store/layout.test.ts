import assert from "node:assert/strict";
import { type FileHandle, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ByteSource, collect, fromBytes, lock, quietCall } from "../../src/base/index.ts";
import { type Descriptor, MediaType } from "../../src/oci/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { codeOf, gather, layerOf, putImage, someBytes, storeContract } from "../contract/store.ts";
import { filesBelow, newLayout } from "./layout-folder.ts";

const call = quietCall();

storeContract("layout", newLayout);

async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "imgvol-layout-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("a new layout has what the image-spec asks for", async () => {
  await using at = await newLayout();
  assert.deepEqual(JSON.parse(await readFile(join(at.dir, "oci-layout"), "utf8")), {
    imageLayoutVersion: "1.0.0",
  });
  const d = await putImage(at.store);
  await at.store.tag("v1", d, call);
  assert.deepEqual(JSON.parse(await readFile(join(at.dir, "index.json"), "utf8")), {
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: [{ ...d, annotations: { "org.opencontainers.image.ref.name": "v1" } }],
  });
  const [algorithm = "", hex = ""] = d.digest.split(":");
  assert.equal((await readFile(join(at.dir, "blobs", algorithm, hex))).length, d.size);
});

test("a layout is whole for whoever opens it anew", async () => {
  await using at = await newLayout();
  const d = await putImage(at.store);
  await at.store.tag("v1", d, call);
  await using again = await openLayout(at.dir, {}, call);
  assert.deepEqual(await again.resolve("v1", call), d);
  await using created = await openLayout(at.dir, { create: true }, call);
  assert.deepEqual(await created.resolve(d.digest, call), d);
});

test("a layout that was made for nothing goes again, with its folders; what was there before stays", async () => {
  await using top = await folder();
  await mkdir(join(top.path, "empty"));
  for (const [dir, left] of [
    [join(top.path, "a", "b", "new"), ["empty"]],
    [join(top.path, "empty"), ["empty"]],
  ] as const) {
    const failed = await openLayout(dir, { create: true }, call);
    const broken: ByteSource = {
      size: 5,
      async *open() {
        yield Buffer.from("four");
        throw new Error("broken");
      },
    };
    await assert.rejects(failed.ingest(MediaType.layerTar, broken, call), /broken/);
    await failed[Symbol.asyncDispose]();
    assert.deepEqual(await filesBelow(top.path), left);
  }
  const first = await openLayout(join(top.path, "two"), { create: true }, call);
  await using second = await openLayout(join(top.path, "two"), { create: true }, call);
  const d = await putImage(second);
  await first[Symbol.asyncDispose]();
  assert.deepEqual(await second.resolve(d.digest, call), d, "another's content keeps it");
});

test("a layout that another made for nothing, and takes away, is made again by who fills it", async () => {
  await using top = await folder();
  const dir = join(top.path, "new");
  const failing = await openLayout(dir, { create: true }, call);
  await using store = await openLayout(dir, { create: true }, call);
  await failing[Symbol.asyncDispose]();
  assert.deepEqual(await filesBelow(top.path), []);
  const d = await putImage(store);
  await store.tag("v1", d, call);
  await using reader = await openLayout(dir, {}, call);
  assert.equal((await reader.resolve("v1", call)).digest, d.digest);
});

test("a layout cannot be made where a file is", async () => {
  await using top = await folder();
  const file = join(top.path, "app.js");
  await writeFile(file, "");
  for (const [dir, said] of [
    [file, /app\.js is a file, not a folder$/],
    [join(file, "x"), /app\.js\/x would lie below a file$/],
  ] as const) {
    await assert.rejects(openLayout(dir, { create: true }, call), { code: "store-invalid", message: said });
  }
  assert.deepEqual(await filesBelow(top.path), ["app.js"]);
});

test("edits keep unknown members, other tools' entries, the order and the indentation", async () => {
  await using at = await newLayout();
  const d = await putImage(at.store, 1);
  const other = await putImage(at.store, 2);
  const text = (manifests: readonly unknown[]): string =>
    `${JSON.stringify({ "x-unknown": { deep: [1] }, schemaVersion: 2, manifests, annotations: { who: "another tool" } }, undefined, "    ")}\n`;
  const theirs = {
    ...other,
    "x-entry": true,
    annotations: { "io.containerd.image.name": "docker.io/library/x:1" },
  };
  await writeFile(join(at.dir, "index.json"), text([theirs]));
  await at.store.tag("v1", d, call);
  const mine = { ...d, annotations: { "org.opencontainers.image.ref.name": "v1" } };
  assert.equal(await readFile(join(at.dir, "index.json"), "utf8"), text([theirs, mine]));
  await at.store.tag("theirs", other, call);
  const named = {
    ...theirs,
    annotations: { ...theirs.annotations, "org.opencontainers.image.ref.name": "theirs" },
  };
  assert.equal(await readFile(join(at.dir, "index.json"), "utf8"), text([named, mine]));
  await at.store.can.delete?.untag("v1", call);
  assert.equal(await readFile(join(at.dir, "index.json"), "utf8"), text([named]));
});

test("a name that two entries share is refused; digests still work", async () => {
  await using at = await newLayout();
  const annotations = { "org.opencontainers.image.ref.name": "twice" };
  const manifests = [await putImage(at.store, 1), await putImage(at.store, 2)];
  const entries = manifests.map((d) => ({ ...d, annotations }));
  await writeFile(join(at.dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: entries }));
  assert.equal(await codeOf(at.store.resolve("twice", call)), "store-invalid");
  for (const d of manifests) assert.deepEqual(await at.store.resolve(d.digest, call), d);
});

test("content that no entry lists is found by digest, with the type it says", async () => {
  await using at = await newLayout();
  const d = await putImage(at.store);
  assert.deepEqual(await at.store.resolve(d.digest, call), d);
  const bytes = Buffer.from("plain");
  const blob = await at.store.ingest(MediaType.layerTar, fromBytes(bytes), call);
  assert.deepEqual(await at.store.resolve(blob.digest, call), {
    ...blob,
    mediaType: "application/octet-stream",
  });
});

test("a damaged blob is not read as a whole, and a put mends one of the wrong size", async () => {
  await using at = await newLayout();
  const bytes = someBytes(5000);
  const d = layerOf(bytes);
  await at.store.put(d, fromBytes(bytes), call);
  const path = join(at.dir, "blobs", ...d.digest.split(":"));
  const read = (): Promise<Uint8Array> => collect(at.store.read(d, call), 10_000, "blob");
  await writeFile(path, someBytes(5000, 2));
  assert.equal(await codeOf(read), "digest-mismatch");
  await writeFile(path, bytes.subarray(0, 4999));
  assert.equal(await codeOf(read), "size-mismatch");
  await writeFile(path, someBytes(6000));
  assert.equal(await codeOf(read), "size-mismatch");
  assert.equal(await at.store.has(d, call), false);
  await at.store.put(d, fromBytes(bytes), call);
  assert.equal(await codeOf(read), "none");
});

const invalid: readonly [string, Readonly<Record<string, string>>, string, RegExp][] = [
  ["no oci-layout", { "index.json": '{"manifests":[]}' }, "store-invalid", /oci-layout is missing/],
  [
    "no index.json",
    { "oci-layout": '{"imageLayoutVersion":"1.0.0"}' },
    "store-invalid",
    /index\.json is missing/,
  ],
  [
    "a version from the future",
    { "oci-layout": '{"imageLayoutVersion":"2.0.0"}' },
    "store-invalid",
    /"2\.0\.0"/,
  ],
  ["a marker that is no JSON", { "oci-layout": "hello" }, "store-invalid", /oci-layout is not JSON/],
  [
    "an empty index.json",
    { "oci-layout": '{"imageLayoutVersion":"1.0.0"}', "index.json": "" },
    "store-invalid",
    /index\.json is not JSON/,
  ],
  [
    "an index that is a list",
    { "oci-layout": '{"imageLayoutVersion":"1.0.0"}', "index.json": "[]" },
    "store-invalid",
    /index\.json is not a JSON object/,
  ],
  [
    "an index without manifests",
    { "oci-layout": '{"imageLayoutVersion":"1.0.0"}', "index.json": "{}" },
    "store-invalid",
    /index\.json has no list of manifests/,
  ],
];

for (const [what, files, code, message] of invalid) {
  test(`not a layout: ${what}`, async () => {
    await using at = await folder();
    for (const [name, text] of Object.entries(files)) await writeFile(join(at.path, name), text);
    const before = await filesBelow(at.path);
    await assert.rejects(openLayout(at.path, {}, call), { code, message });
    assert.deepEqual(await filesBelow(at.path), before);
  });
}

test("an entry with a broken digest is an error that names the file", async () => {
  await using at = await newLayout();
  const annotations = { "org.opencontainers.image.ref.name": "bad" };
  const manifests = [
    { mediaType: MediaType.manifest, digest: "sha256:../../etc/passwd", size: 1, annotations },
  ];
  await writeFile(join(at.dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  await assert.rejects(at.store.resolve("bad", call), {
    code: "manifest-invalid",
    message: /index\.json.*bad/,
  });
});

test("a folder that is missing is told; a folder with other things is not made a layout", async () => {
  await using at = await folder();
  assert.equal(await codeOf(openLayout(join(at.path, "missing"), {}, call)), "not-found");
  await mkdir(join(at.path, "home"));
  await writeFile(join(at.path, "home", "letter.txt"), "dear");
  assert.equal(await codeOf(openLayout(join(at.path, "home"), { create: true }, call)), "store-invalid");
  assert.deepEqual(await filesBelow(at.path), ["home", "home/letter.txt"]);
});

test("many stores over one folder at once: no tag is lost, no leftovers", async () => {
  await using at = await newLayout();
  const stores = await Promise.all(
    Array.from({ length: 6 }, () => openLayout(at.dir, { create: true }, call)),
  );
  await Promise.all(
    stores.map(async (store, i) => {
      for (let round = 0; round < 3; round++)
        await store.tag(`t${i}-${round}`, await putImage(store, round), call);
    }),
  );
  const tags = await gather(at.store.can.tags?.list(call));
  assert.equal(tags.length, 18);
  const left = (await at.residue()).filter((name) => name.startsWith(".imgvol/"));
  assert.deepEqual(left, [".imgvol/lock", ".imgvol/writers"]);
});

test("tags that are set at one time are written together; one without content fails alone, one that gave up is not set", async () => {
  await using at = await newLayout();
  const { store } = at;
  const d = { ...layerOf(someBytes(10)), mediaType: MediaType.manifest };
  await store.put(d, fromBytes(someBytes(10)), call);
  const missing = { ...layerOf(someBytes(20)), mediaType: MediaType.manifest };
  const names = Array.from({ length: 64 }, (_, i) => `t${i}`);
  const gone = new AbortController();
  const syncs = await countingSyncs(at.dir, async () => {
    const outcomes = [
      codeOf(store.tag("wrong", missing, call)),
      codeOf(store.tag("late", d, { signal: gone.signal })),
      ...names.map((name) => store.tag(name, d, call)),
    ];
    gone.abort();
    const [wrong, late] = await Promise.all(outcomes);
    assert.deepEqual([wrong, late], ["not-found", "aborted"]);
  });
  // The first goes alone: a file, and the folder that it is in. The others wait for it, and go together.
  assert.ok(syncs <= 4, `${syncs} syncs`);
  const found: string[] = [];
  for await (const name of store.can.tags?.list(call) ?? []) found.push(name);
  assert.deepEqual(found, names.sort());
});

test("a tag that is set while its content is deleted fails: no name is left without content", async () => {
  await using at = await newLayout();
  const { store } = at;
  const d = { ...layerOf(someBytes(10)), mediaType: MediaType.manifest };
  await store.put(d, fromBytes(someBytes(10)), call);
  await store.tag("before", d, call);
  const deleted = store.can.delete?.delete(d, call);
  const outcomes = ["one", "other"].map((name) => codeOf(store.tag(name, d, call)));
  await deleted;
  assert.deepEqual(await Promise.all(outcomes), ["not-found", "not-found"]);
  assert.deepEqual(await gather(store.can.tags?.list(call)), []);
});

/** How often something was forced to the disk while `work` ran. */
async function countingSyncs(dir: string, work: () => Promise<void>): Promise<number> {
  await using probe = await open(dir);
  const handles: { sync: () => Promise<void> } = Object.getPrototypeOf(probe);
  const { sync } = handles;
  let count = 0;
  handles.sync = async function (this: FileHandle) {
    count++;
    await sync.call(this);
  };
  try {
    await work();
    return count;
  } finally {
    handles.sync = sync;
  }
}

test("one write's abort does not disturb another's", async () => {
  await using at = await newLayout();
  const gone = new AbortController();
  const bytes = someBytes(100_000);
  const slow = at.store.ingest(
    MediaType.layerTar,
    {
      async *open() {
        yield bytes.subarray(0, 50_000);
        gone.abort();
        yield bytes.subarray(50_000);
      },
    },
    { signal: gone.signal },
  );
  const fine = at.store.ingest(MediaType.layerTar, fromBytes(bytes), call);
  assert.equal(await codeOf(slow), "aborted");
  assert.deepEqual(await fine, layerOf(bytes));
});

test("a write can be aborted while another process holds the lock", async () => {
  await using at = await newLayout();
  const gone = new AbortController();
  const start = async (): Promise<{ other: Promise<Descriptor> }> => {
    await using _held = await lock(join(at.dir, ".imgvol", "lock"), "exclusive", call);
    const waiting = at.store.ingest(MediaType.layerTar, fromBytes(someBytes(10)), { signal: gone.signal });
    const other = at.store.ingest(MediaType.layerTar, fromBytes(someBytes(20)), call);
    gone.abort();
    assert.equal(await codeOf(waiting), "aborted");
    assert.ok(!(await at.residue()).some((name) => name.includes("writers")));
    return { other };
  };
  const { other } = await start();
  assert.deepEqual(await other, layerOf(someBytes(20)));
});

test("a layout whose lock cannot be opened is read, and refuses to be written", async () => {
  await using at = await newLayout();
  const d = await putImage(at.store);
  await rm(join(at.dir, ".imgvol", "lock"));
  await mkdir(join(at.dir, ".imgvol", "lock"));
  assert.deepEqual(await at.store.resolve(d.digest, call), d);
  await assert.rejects(at.store.tag("v1", d, call), { code: "denied", message: new RegExp(at.dir) });
  assert.equal(await codeOf(at.store.ingest(MediaType.layerTar, fromBytes(someBytes(5)), call)), "denied");
});

test("folders where files belong are told, not read", async () => {
  await using at = await newLayout();
  const d = layerOf(someBytes(10));
  await mkdir(join(at.dir, "blobs", ...d.digest.split(":")));
  assert.equal(await at.store.has(d, call), false);
  assert.equal(await codeOf(collect(at.store.read(d, call), 100, "blob")), "not-found");
  await rm(join(at.dir, "index.json"));
  await mkdir(join(at.dir, "index.json"));
  await assert.rejects(at.store.resolve("v1", call), {
    code: "store-invalid",
    message: /index\.json is not a file/,
  });
});
