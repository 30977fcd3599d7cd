import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ImgvolError, quietCall } from "../../src/base/index.ts";
import type { Finding } from "../../src/oci/index.ts";
import { tarTree } from "../../src/tree/index.ts";
import { raw, records } from "../tar/blocks.ts";
import { archive } from "./archive.ts";
import { inFolder, listing } from "./listing.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

const lines = [
  "file ./z/b two",
  "dir ./",
  "file a old",
  "hardlink m a",
  "file a newer",
  "hardlink A m",
  "symlink l ../x",
  "char dev",
  "file .wh.a 1",
];
const expected = [
  'file A 644 0:0 0 3 "old"',
  'file a 644 0:0 0 5 "newer"',
  "symlink l 777 0:0 0 -> ../x",
  "hardlink m 644 0:0 0 -> A",
  "dir z 755 0:0 0",
  'file z/b 644 0:0 0 3 "two"',
];

for (const [name, bytes, size] of [
  ["plain", archive(lines), 1000],
  ["plain, byte by byte", archive(lines), 1],
  ["gzip", gzipSync(archive(lines)), 3],
] as const) {
  test(`a tar archive from a pipe (${name}) becomes a sorted tree that can be walked again`, async () => {
    const told: Finding[] = [];
    const { tree, ...rest } = await tarTree(pieces(bytes, size), { tell: (f) => told.push(f) }, quietCall());
    try {
      assert.deepEqual(await listing(tree), expected);
      assert.deepEqual(await listing(tree), expected);
      assert.deepEqual(
        told.map((f) => `${f.code} ${f.subject}`),
        [
          "skipped dev",
          "skipped .wh.a",
          "secret A",
          "case-collision a",
          "secret a",
          "secret m",
          "secret z/b",
        ],
      );
    } finally {
      await rest[Symbol.asyncDispose]();
    }
  });
}

test("an empty archive, and no bytes at all, are an empty tree", async () => {
  for (const bytes of [archive([]), Buffer.alloc(0)]) {
    await using spooled = await tarTree(pieces(bytes, 100), {}, quietCall());
    assert.deepEqual(await listing(spooled.tree), []);
  }
});

const refused: Readonly<Record<string, readonly [string, Buffer]>> = {
  "a name that leads out": ["tar-unsafe", archive(["file ../x 1"])],
  "a hard link that leads out": ["tar-unsafe", archive(["hardlink x ../y"])],
  "a hard link to nothing": ["tar-unsafe", archive(["hardlink x y"])],
  "a file below a link": ["tar-unsafe", archive(["symlink a /etc", "file a/passwd 1"])],
  "an end in the middle": ["tar-truncated", archive(["file a 12345"]).subarray(0, 514)],
};
for (const [name, [code, bytes]] of Object.entries(refused)) {
  test(`a tar archive with ${name} is refused, and leaves no temporary file`, () =>
    inFolder(async (folder) => {
      const before = process.env["TMPDIR"];
      process.env["TMPDIR"] = folder;
      try {
        await assert.rejects(
          tarTree(pieces(bytes, 100), {}, quietCall()),
          (e) => e instanceof ImgvolError && e.code === code,
        );
      } finally {
        if (before === undefined) delete process.env["TMPDIR"];
        else process.env["TMPDIR"] = before;
      }
      assert.deepEqual(readdirSync(folder), []);
    }));
}

test("while a tree is in use, no file of it has a name that a killed process would leave", () =>
  inFolder(async (folder) => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = folder;
    try {
      await using spooled = await tarTree(pieces(archive(lines), 1000), {}, quietCall());
      assert.deepEqual(readdirSync(folder), []);
      assert.deepEqual(await listing(spooled.tree), expected);
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  }));

test("an archive of too many entries is refused, counting the folders that it left out", async () => {
  const options = { mostEntries: 2 };
  await (await tarTree(pieces(archive(["file a/b 1"]), 99), options, quietCall()))[Symbol.asyncDispose]();
  await assert.rejects(tarTree(pieces(archive(["file a/b 1", "file c 1"]), 99), options, quietCall()), {
    code: "too-many-entries",
  });
});

test("an abort ends the reading of a pipe that stays silent", async () => {
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield archive(["file a 1"]).subarray(0, 700);
    controller.abort();
    await new Promise(() => {});
  }
  await assert.rejects(tarTree(silent(), {}, quietCall(controller.signal)), { name: "AbortError" });
});

test("what is told of an entry is short, however many extended attributes it names", async () => {
  const names = Array.from({ length: 5000 }, (_, i) => [`SCHILY.xattr.user.attribute-${i}`, ""] as const);
  const bytes = Buffer.concat([
    raw({ type: "x" }, records(Object.fromEntries(names))),
    archive(["file a content"], 0o644),
  ]);
  const told: Finding[] = [];
  await using _tree = await tarTree(pieces(bytes, 4096), { tell: (f) => told.push(f) }, quietCall());
  assert.deepEqual(
    told.map((f) => f.code),
    ["xattr-dropped"],
  );
  assert.match(told[0]?.message ?? "", /^a loses its extended attributes \(user\.attribute-0, .{1,200}…\)$/);
});
