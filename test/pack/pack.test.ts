import assert from "node:assert/strict";
import { appendFileSync, linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fromBytes, ImgvolError, quietCall } from "../../src/base/index.ts";
import { encoderFor } from "../../src/codec/index.ts";
import { digestOf, type Finding, MediaType, parsePlatform, type Store } from "../../src/oci/index.ts";
import {
  inspect,
  PackError,
  type PackOptions,
  pack,
  type Source,
  sourcesTree,
} from "../../src/pack/index.ts";
import { memoryStore, openLayout, readSmall, resolveManifest } from "../../src/store/index.ts";
import { folderTree, layersTree, type Tree } from "../../src/tree/index.ts";
import { inFolder, listing, paths } from "../tree/listing.ts";

const call = quietCall();

function sample(root: string): string {
  mkdirSync(join(root, "src/bin"), { recursive: true });
  writeFileSync(join(root, "src/bin/run"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(root, "src/text"), "hello");
  symlinkSync("text", join(root, "src/link"));
  linkSync(join(root, "src/text"), join(root, "src/zz"));
  return join(root, "src");
}

const packInto = (store: Store, path: string, options: PackOptions = {}) =>
  pack([{ path }], store, options, call);

async function json(store: Store, tagOrDigest: string): Promise<Record<string, unknown>> {
  return JSON.parse(
    Buffer.from(await readSmall(store, await store.resolve(tagOrDigest, call), call)).toString(),
  );
}

test("a folder becomes one layer under two configs, two manifests and one index, and the tag names the index", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const path = sample(root);
    const packed = await packInto(store, path, { tag: "v1", annotations: { "org.example": "x" } });
    assert.equal((await store.resolve("v1", call)).digest, packed.digest);
    assert.equal(packed.descriptor.mediaType, MediaType.index);
    assert.equal(packed.entries, 5);
    assert.deepEqual(packed.told, []);

    const seen = await inspect(store, "v1", call);
    const annotations = { "dev.imgvol.format": encoderFor({ compression: "auto" }).id, "org.example": "x" };
    const [layer] = packed.layers;
    assert.deepEqual(
      seen.platforms.map((p) => [p.platform, p.annotations["org.example"], p.config.created]),
      [
        ["linux/amd64", "x", "1970-01-01T00:00:00Z"],
        ["linux/arm64", "x", "1970-01-01T00:00:00Z"],
      ],
    );
    assert.deepEqual(seen.annotations, annotations);
    for (const p of seen.platforms) {
      assert.deepEqual(
        p.layers.map((l) => [l.digest, l.diffId, l.compression]),
        [[layer?.descriptor.digest, layer?.diffId, "gzip"]],
      );
    }
    assert.equal(seen.layerBytes, layer?.descriptor.size);

    for (const name of ["linux/amd64", "linux/arm64"]) {
      const { manifest } = await resolveManifest(store, "v1", call, parsePlatform(name));
      assert.deepEqual(await listing(layersTree(store, manifest.layers)), await listing(folderTree(path)));
    }
  }));

test("one manifest without an index; other platforms; times from sourceDateEpoch", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const path = sample(root);
    const single = await packInto(store, path, { platforms: "none", sourceDateEpoch: 86400 });
    assert.equal(single.descriptor.mediaType, MediaType.manifest);
    assert.equal(
      (await inspect(store, single.digest, call)).platforms[0]?.config.created,
      "1970-01-02T00:00:00Z",
    );
    const arm = [parsePlatform("linux/arm/v7"), parsePlatform("linux/arm/v7")];
    const one = await packInto(store, path, { platforms: arm });
    assert.deepEqual(
      (await inspect(store, one.digest, call)).platforms.map((p) => p.platform),
      ["linux/arm/v7"],
    );
    const { manifests } = await json(store, one.digest);
    assert.deepEqual((manifests as { platform: unknown }[])[0]?.platform, {
      os: "linux",
      architecture: "arm",
      variant: "v7",
    });
  }));

test("an index says beside each platform that its layers are zstd, as others would add when they copy it", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const path = sample(root);
    const beside = async (compression: "gzip" | "zstd"): Promise<unknown[]> => {
      const { digest } = await packInto(store, path, { format: { compression } });
      const { manifests } = await json(store, digest);
      return (manifests as { annotations?: unknown }[]).map(({ annotations }) => annotations);
    };
    const zstd = { "io.github.containers.compression.zstd": "true" };
    assert.deepEqual(await beside("zstd"), [zstd, zstd]);
    assert.deepEqual(await beside("gzip"), [undefined, undefined]);
  }));

test("a dry run finds the same digest and stores nothing", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const path = sample(root);
    const dry = await packInto(store, path, { dryRun: true, tag: "v1" });
    await assert.rejects(store.resolve("v1", call), { code: "not-found" });
    assert.equal(await store.has(dry.descriptor, call), false);
    assert.equal((await packInto(store, path)).digest, dry.digest);
  }));

test("strict refuses a warning before anything is stored", () =>
  inFolder(async (root) => {
    const path = sample(root);
    const stored: string[] = [];
    const inner = memoryStore();
    const store: Store = {
      ...inner,
      put(d, source, c) {
        stored.push(d.digest);
        return inner.put(d, source, c);
      },
      ingest(mediaType, source, c) {
        stored.push(mediaType);
        return inner.ingest(mediaType, source, c);
      },
    };
    await packInto(store, path, { strict: true });
    assert.equal(stored.length, 6);
    writeFileSync(join(path, ".env"), "SECRET=1");
    assert.deepEqual(
      (await packInto(store, path)).told.map((f) => f.code),
      ["secret"],
    );
    stored.length = 0;
    await assert.rejects(packInto(store, path, { strict: true }), (e) => {
      assert.ok(e instanceof ImgvolError && e.code === "strict-refused" && e.message.includes(".env"));
      return true;
    });
    assert.deepEqual(stored, []);
  }));

test("what was told of a tree before it was packed counts too", async () => {
  const finding: Finding = {
    code: "skipped",
    severity: "warning",
    subject: "x",
    message: "x is left out",
    fix: [],
  };
  const source: Source = { tree: async function* () {}, name: "-", told: [finding, finding] };
  const { told } = await pack([source], memoryStore(), {}, call);
  assert.deepEqual(
    told.map((f) => f.code),
    ["skipped", "volume-empty"],
  );
  await assert.rejects(pack([source], memoryStore(), { strict: true }, call), { code: "strict-refused" });
});

test("an image is not packed into itself", () =>
  inFolder(async (root) => {
    const path = sample(root);
    const inside = await openLayout(join(path, "out"), { create: true }, call);
    await assert.rejects(
      packInto(inside, path, { tag: "t" }),
      (e) => e instanceof PackError && e.code === "source-invalid",
    );
    await assert.rejects(inside.resolve("t", call), { code: "not-found" });
    writeFileSync(join(path, ".imgvolignore"), "/out/\n");
    assert.equal((await packInto(inside, path)).entries, 5);
    const beside = await openLayout(join(root, "beside"), { create: true }, call);
    assert.equal((await packInto(beside, join(path, "bin"))).entries, 1);
  }));

test("findings name paths of the volume", () =>
  inFolder(async (root) => {
    const path = sample(root);
    writeFileSync(join(path, ".npmrc"), "");
    writeFileSync(join(root, "x.pem"), "");
    const sources = [
      { path, target: "opt/a" },
      { path: join(root, "x.pem"), target: "etc/" },
    ];
    const { told } = await pack(sources, memoryStore(), {}, call);
    assert.deepEqual(told.map((f) => f.subject).sort(), ["etc/x.pem", "opt/a/.npmrc"]);
  }));

test("an empty volume is packed, and told", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const packed = await packInto(store, root);
    assert.deepEqual([packed.entries, packed.told.map((f) => f.code)], [0, ["volume-empty"]]);
    await assert.rejects(packInto(store, root, { strict: true }), { code: "strict-refused" });
  }));

test("many findings of one kind are counted, not listed without end", () =>
  inFolder(async (root) => {
    for (let i = 0; i < 150; i++) writeFileSync(join(root, `${i}.pem`), "");
    const { told } = await packInto(memoryStore(), root);
    assert.equal(told.length, 101);
    assert.match(told.at(-1)?.message ?? "", /only the first 100/);
  }));

test("split cuts between entries; laid over each other the layers are the folder again", () =>
  inFolder(async (root) => {
    const path = sample(root);
    mkdirSync(join(path, "m/n"), { recursive: true });
    for (const name of ["a", "b", "c"]) writeFileSync(join(path, "m/n", name), Buffer.alloc(2000, name));
    linkSync(join(path, "m/n/a"), join(path, "y"));
    linkSync(join(path, "m/n/a"), join(path, "yy"));
    const store = memoryStore();
    for (const split of [1, 512, 4096, 6144, 1e9]) {
      const packed = await packInto(store, path, { split, platforms: "none" });
      assert.equal(packed.layers.length === 1, split === 1e9, `${split}`);
      const descriptors = packed.layers.map((l) => l.descriptor);
      const merged = await listing(layersTree(store, descriptors));
      const whole = await listing(folderTree(path));
      const files = (lines: string[]) =>
        lines.filter((l) => !l.startsWith("hardlink")).map((l) => l.split(" ")[1]);
      assert.deepEqual(
        merged.map((l) => l.split(" ")[1]),
        whole.map((l) => l.split(" ")[1]),
      );
      assert.ok(files(merged).length >= files(whole).length);
      // Each layer can be unpacked alone: no hard link leads to another one, no folder is implied.
      for (const d of descriptors) {
        const alone = await listing(layersTree(store, [d]));
        for (const line of alone) {
          const parent = (line.split(" ")[1] ?? "").replace(/\/?[^/]*$/, "");
          assert.ok(
            parent === "" || alone.some((l) => l.startsWith(`dir ${parent} `)),
            `${parent} in ${alone}`,
          );
        }
      }
    }
  }));

test("where sources go", () =>
  inFolder(async (root) => {
    const path = sample(root);
    writeFileSync(join(root, "agent.jar"), "jar");
    const jar = join(root, "agent.jar");
    const tree = folderTree(join(path, "bin"));
    const table: readonly (readonly [Source[], string[]])[] = [
      [[{ path: join(path, "bin") }], ["run"]],
      [[{ path: join(path, "bin"), target: "/x/y/" }], ["x", "x/y", "x/y/run"]],
      [[{ path: jar }], ["agent.jar"]],
      [[{ path: jar, target: "lib/" }], ["lib", "lib/agent.jar"]],
      [[{ path: jar, target: "/lib/x.jar" }], ["lib", "lib/x.jar"]],
      [[{ path: jar, target: "/" }], ["agent.jar"]],
      [
        [{ path: jar }, { path: join(path, "bin") }],
        ["agent.jar", "bin", "bin/run"],
      ],
      [
        [{ path: jar }, { path: join(path, "bin"), target: "" }],
        ["agent.jar", "run"],
      ],
      [
        [{ tree, name: "-" }, { path: jar }],
        ["agent.jar", "run"],
      ],
      [[{ tree, name: "-", target: "t" }], ["t", "t/run"]],
    ];
    for (const [sources, expected] of table) {
      assert.deepEqual(await paths(sourcesTree(sources, {})), expected, JSON.stringify(sources));
    }
  }));

const nonsense: Readonly<Record<string, readonly [string, (root: string) => Source[], PackOptions]>> = {
  "no source": ["source-invalid", () => [], {}],
  "a target outside": ["target-invalid", (r) => [{ path: r, target: "../x" }], {}],
  "a missing source": ["file-unreadable", (r) => [{ path: `${r}/missing` }], {}],
  "two sources for one path": ["path-conflict", (r) => [{ path: r }, { path: r }], {}],
  "no platform": ["source-invalid", (r) => [{ path: r }], { platforms: [] }],
  "layers of no bytes": ["split-invalid", (r) => [{ path: r }], { split: 0 }],
  "our own annotation": [
    "annotation-invalid",
    (r) => [{ path: r }],
    { annotations: { "dev.imgvol.format": "x" } },
  ],
};
for (const [name, [code, sources, options]] of Object.entries(nonsense)) {
  test(`wrong use: ${name}`, () =>
    inFolder(async (root) => {
      await assert.rejects(pack(sources(root), memoryStore(), options, call), (e) => {
        assert.ok(e instanceof ImgvolError && e.code === code && e.wrongUse, String(e));
        return true;
      });
    }));
}

test("a file that changes while it is packed fails the pack by name, and nothing of it stays in the store", () =>
  inFolder(async (root) => {
    const path = sample(root);
    writeFileSync(join(path, "big"), Buffer.alloc(3_000_000, "x"));
    const store = await openLayout(join(root, "out"), { create: true }, call);
    for (const victim of ["big", "text"]) {
      const tree: Tree = async function* (c) {
        for await (const entry of folderTree(path)(c)) {
          if (entry.path === victim) appendFileSync(join(path, victim), "more");
          yield entry;
        }
      };
      await assert.rejects(pack([{ tree, name: "t" }], store, { tag: "t" }, call), (e) => {
        assert.ok(
          e instanceof ImgvolError && e.code === "file-changed" && e.message.includes(victim),
          String(e),
        );
        return true;
      });
    }
    await assert.rejects(store.resolve("t", call), { code: "not-found" });
    const stored = readdirSync(join(root, "out"), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      stored.filter((e) => e.isFile() && /^[0-9a-f]{64}$/.test(e.name)).map((e) => e.name),
      [],
    );
  }));

test("an aborted pack says so and tags nothing", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const controller = new AbortController();
    const tree = async function* () {
      controller.abort();
      const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
      yield { ...common, type: "file" as const, path: "a", size: 1, body: fromBytes(Buffer.from("a")) };
    };
    const packing = pack(
      [{ tree, name: "t" }, { path: sample(root) }],
      store,
      { tag: "t" },
      quietCall(controller.signal),
    );
    await assert.rejects(packing, { name: "AbortError" });
    await assert.rejects(store.resolve("t", call), { code: "not-found" });
  }));

test("configs have canonical bytes", () =>
  inFolder(async (root) => {
    const store = memoryStore();
    const packed = await packInto(store, sample(root), { platforms: "none" });
    const { manifest, bytes } = await resolveManifest(store, packed.digest, call);
    assert.equal(digestOf(bytes), packed.digest);
    const config = Buffer.from(await readSmall(store, manifest.config, call)).toString();
    assert.equal(
      config,
      `{"architecture":"amd64","created":"1970-01-01T00:00:00Z","os":"linux","rootfs":{"diff_ids":["${packed.layers[0]?.diffId}"],"type":"layers"}}`,
    );
  }));
