import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collect, fromBytes, quietCall } from "../../src/base/index.ts";
import { cleanPath, encodeHeader, padding } from "../../src/tar/index.ts";
import { anyEntry, archive, file, read } from "./entries.ts";

test("what is written is read back, however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEntry, { maxLength: 8 }),
      fc.constantFrom(1, 7, 511, 512, 513, 4096),
      async (entries, step) => {
        const found = read(await archive(entries), step);
        assert.equal(found.length, entries.length);
        for (const [i, entry] of entries.entries()) {
          const { header, content } = found[i] ?? assert.fail();
          const { path, mode, uid, gid, mtime, type } = header;
          assert.equal(path, entry.type === "dir" ? `${entry.path}/` : entry.path);
          assert.deepEqual(
            { mode, uid, gid, mtime, type },
            { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime, type: entry.type },
          );
          if (entry.type === "symlink" || entry.type === "hardlink")
            assert.equal(header.target, entry.target);
          const expected =
            entry.type === "file"
              ? await collect(entry.body.open(0, quietCall()), 1e6, "it")
              : new Uint8Array();
          assert.deepEqual(content, Buffer.from(expected));
        }
      },
    ),
  );
});

test("a plain entry takes one block, and pax appears only where ustar cannot say it", () => {
  const blocks = (entry: Parameters<typeof encodeHeader>[0]): number => encodeHeader(entry).length / 512;
  const names = [
    "a",
    "a".repeat(100),
    `${"p".repeat(155)}/${"n".repeat(100)}`,
    `${"d/".repeat(77)}${"n".repeat(100)}`,
  ];
  for (const path of names) assert.equal(blocks(file(path)), 1, path);
  for (const path of ["a".repeat(101), "ä", `${"p".repeat(156)}/n`, `p/${"n".repeat(101)}`]) {
    assert.equal(blocks(file(path)), 3, path);
  }
  const base = { path: "a", mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  const body = fromBytes(new Uint8Array());
  assert.equal(blocks({ ...base, type: "file", size: 8 ** 11 - 1, body }), 1);
  assert.equal(blocks({ ...base, type: "file", size: 8 ** 11, body }), 3);
  assert.equal(blocks({ ...base, type: "symlink", target: "t".repeat(100) }), 1);
  assert.equal(blocks({ ...base, type: "symlink", target: "t".repeat(101) }), 3);
  assert.equal(blocks({ ...base, type: "dir", path: "" }), 1);
});

test("a size that needs pax is read back", () => {
  const size = 8 ** 11 + 5;
  const header = encodeHeader({
    path: "big",
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: 0,
    type: "file",
    size,
    body: fromBytes(new Uint8Array()),
  });
  assert.throws(() => read(header), { code: "tar-truncated" });
  assert.match(Buffer.from(header).toString("latin1"), new RegExp(`19 size=${size}\n`));
});

test("the bytes of a header are fixed", () => {
  const header = Buffer.from(encodeHeader(file("dir/name", "hello", { mode: 0o755, mtime: 1 })));
  assert.equal(
    header.toString("latin1").replaceAll("\0", "."),
    `dir/name${".".repeat(92)}0000755.0000000.0000000.00000000005.00000000001.010625. 0${".".repeat(100)}ustar.00` +
      `${".".repeat(64)}0000000.0000000.${".".repeat(167)}`,
  );
});

test("padding fills whole blocks", () => {
  for (const [size, pad] of [
    [0, 0],
    [1, 511],
    [511, 1],
    [512, 0],
    [8 ** 11 + 1, 511],
  ] as const) {
    assert.equal(padding(size).length, pad);
  }
});

const impossible = [
  ["a zero byte in the name", { path: "a\0b" }],
  ["no name", { path: "" }],
  ["a mode with type bits", { mode: 0o100644 }],
  ["a time with a fraction", { mtime: 0.5 }],
  ["a negative owner", { uid: -1 }],
] as const;
for (const [what, more] of impossible) {
  test(`not written: ${what}`, () => {
    assert.throws(() => encodeHeader({ ...file("a"), ...more }), { code: "entry-invalid" });
  });
}

test("paths are made relative to the root, or refused", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["a", "a"],
    ["./a//b/", "a/b"],
    ["/etc/passwd", "etc/passwd"],
    [".", ""],
    ["./", ""],
    ["/", ""],
    ["a/./b", "a/b"],
    ["..", undefined],
    ["a/../b", undefined],
    ["../../etc", undefined],
    ["a\0b", undefined],
    ["...", "..."],
    ["a/..b", "a/..b"],
  ];
  for (const [raw, clean] of cases) assert.equal(cleanPath(raw), clean, raw);
});
