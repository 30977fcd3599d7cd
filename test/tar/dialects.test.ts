import assert from "node:assert/strict";
import { test } from "node:test";
import { raw, records } from "./blocks.ts";
import { read } from "./entries.ts";

const END = Buffer.alloc(1024);
const A_LONG = `${"long/".repeat(60)}name`;

/** What other programs write, by hand: each archive and the header it stands for. */
const cases: readonly (readonly [string, readonly Buffer[], object])[] = [
  ["v7, a file", [raw({ name: "f", magic: "", size: 3 }, "abc")], { path: "f", type: "file", size: 3 }],
  ["v7, a folder by its slash", [raw({ name: "d/", magic: "", type: "\0" })], { path: "d/", type: "dir" }],
  ["ustar with a prefix", [raw({ prefix: "a/b", name: "c" })], { path: "a/b/c" }],
  [
    "GNU keeps times where ustar has its prefix",
    [raw({ name: "c", magic: "ustar  \0", prefix: "1234" })],
    { path: "c" },
  ],
  [
    "GNU long name",
    [raw({ type: "L", name: "././@LongLink", magic: "ustar  \0" }, `${A_LONG}\0`), raw({ name: "cut" })],
    { path: A_LONG },
  ],
  [
    "GNU long link",
    [raw({ type: "K", name: "././@LongLink" }, `${A_LONG}\0`), raw({ type: "2", link: "cut" })],
    { type: "symlink", target: A_LONG },
  ],
  [
    "GNU base 256",
    [raw({ name: "b", uid: Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe]) })],
    { uid: 2 ** 32 - 2 },
  ],
  ["GNU base 256, before 1970", [raw({ name: "b", mtime: Buffer.alloc(12, 0xff) })], { mtime: -1 }],
  ["numbers led by spaces", [raw({ name: "s", mode: Buffer.from("   755 \0") })], { mode: 0o755 }],
  ["a checksum of signed bytes", [raw({ name: "\u00fc" }, "", "signed")], { path: "\u00fc" }],
  [
    "pax",
    [raw({ type: "x" }, records({ path: A_LONG, mtime: "12.75", uid: "4000000" })), raw({ name: "p" })],
    { path: A_LONG, mtime: 12, uid: 4000000 },
  ],
  [
    "pax, a time before 1970",
    [raw({ type: "x" }, records({ mtime: "-1.5" })), raw({ name: "p" })],
    { mtime: -2 },
  ],
  [
    "pax, the last of two values",
    [raw({ type: "x" }, records({ path: "no" }) + records({ path: "yes" })), raw({ name: "p" })],
    { path: "yes" },
  ],
  [
    "pax, an empty value changes nothing",
    [raw({ type: "x" }, records({ path: "" })), raw({ name: "p" })],
    { path: "p" },
  ],
  [
    "pax, a size",
    [raw({ type: "x" }, records({ size: "3" })), raw({ name: "p", size: 0 }, "abc")],
    { size: 3 },
  ],
  [
    "global pax changes nothing, as in Go",
    [raw({ type: "g" }, records({ path: "no", comment: "c" })), raw({ name: "p" })],
    { path: "p" },
  ],
  [
    "extended attributes are named",
    [
      raw({ type: "x" }, records({ "SCHILY.xattr.user.a": "\u00ff=\n", "LIBARCHIVE.xattr.user.b": "x" })),
      raw({ name: "p" }),
    ],
    { xattrs: ["user.a", "user.b"] },
  ],
  [
    "a hard link has no contents, whatever its size says",
    [raw({ type: "1", name: "h", link: "f", size: 1024 }), raw({ name: "next" })],
    { type: "hardlink", target: "f", size: 0 },
  ],
  ["a contiguous file", [raw({ type: "7", name: "c", size: 1 }, "x")], { type: "file", size: 1 }],
  ["a device", [raw({ type: "3", name: "null" })], { type: "char" }],
  ["a fifo", [raw({ type: "6", name: "f" })], { type: "fifo" }],
];

for (const [what, parts, expected] of cases) {
  test(`reads ${what}`, () => {
    const bytes = Buffer.concat([...parts, END]);
    for (const step of [1, 512, 700, 1 << 20]) {
      const [first] = read(bytes, step);
      assert.partialDeepStrictEqual(first?.header, expected);
    }
  });
}

test("the end mark may be missing, or half of it, and what follows it does not count", () => {
  const one = raw({ name: "f" });
  for (const end of [
    Buffer.alloc(0),
    Buffer.alloc(512),
    Buffer.alloc(1024),
    Buffer.alloc(10240),
    Buffer.concat([END, Buffer.from("rubbish")]),
  ]) {
    assert.equal(read(Buffer.concat([one, end])).length, 1);
  }
});
