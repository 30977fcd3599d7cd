import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TarError, TarReader } from "../../src/tar/index.ts";
import { raw, records } from "./blocks.ts";
import { anyEntry, archive, file, read } from "./entries.ts";

const END = Buffer.alloc(1024);

const broken: readonly (readonly [string, string, readonly Buffer[]])[] = [
  ["a wrong checksum", "tar-invalid", [raw({}, "", "wrong")]],
  ["rubbish", "tar-invalid", [Buffer.alloc(512, 0x61)]],
  ["a size in letters", "tar-invalid", [raw({ size: Buffer.from("00000000xyz\0") })]],
  ["a negative size", "tar-invalid", [raw({ size: Buffer.alloc(12, 0xff) })]],
  [
    "a size beyond all numbers",
    "tar-invalid",
    [raw({ size: Buffer.from([0x80, ...Buffer.alloc(11, 0xff)]) })],
  ],
  ["an entry without a name", "tar-invalid", [raw({ name: "" })]],
  ["a lone block of zeros", "tar-invalid", [Buffer.alloc(512), raw({})]],
  ["an end in a header", "tar-truncated", [raw({}).subarray(0, 300)]],
  ["an end in the contents", "tar-truncated", [raw({ size: 600 }, "abc")]],
  ["an end in the padding", "tar-truncated", [raw({}, "abc").subarray(0, 600)]],
  ["an end after an extended header", "tar-truncated", [raw({ type: "x" }, records({ path: "p" }))]],
  ["an extended header before the end mark", "tar-invalid", [raw({ type: "L" }, "name\0"), END]],
  ["an extended header of a terabyte", "tar-limit", [raw({ type: "x", size: 2 ** 33 - 1 })]],
  ["a long name of 2 MiB", "tar-limit", [raw({ type: "L", size: 2 << 20 })]],
  ["a path of 5000 bytes", "tar-limit", [raw({ type: "x" }, records({ path: "a/".repeat(2500) })), raw({})]],
  [
    "a link target of 5000 bytes",
    "tar-limit",
    [raw({ type: "x" }, records({ linkpath: "a/".repeat(2500) })), raw({ type: "2" })],
  ],
  ["a record longer than its header", "tar-invalid", [raw({ type: "x" }, "99 path=a\n"), raw({})]],
  ["a record of length 0", "tar-invalid", [raw({ type: "x" }, "0 path=a\n"), raw({})]],
  ["a record whose length is negative", "tar-invalid", [raw({ type: "x" }, "-9 path=a\n"), raw({})]],
  ["a record whose length never ends", "tar-invalid", [raw({ type: "x" }, "1".repeat(1000)), raw({})]],
  ["a record without a key", "tar-invalid", [raw({ type: "x" }, "5 =a\n"), raw({})]],
  ["a record without a line's end", "tar-invalid", [raw({ type: "x" }, "9 path=ab"), raw({})]],
  [
    "a record that hides another (length too short)",
    "tar-invalid",
    [raw({ type: "x" }, "8 path=abc\n"), raw({})],
  ],
  ["a zero byte in a path", "tar-invalid", [raw({ type: "x" }, records({ path: "a\0b" })), raw({})]],
  [
    "a size in an extended header that is no number",
    "tar-invalid",
    [raw({ type: "x" }, records({ size: "0x10" })), raw({})],
  ],
  [
    "a negative size in an extended header",
    "tar-invalid",
    [raw({ type: "x" }, records({ size: "-1" })), raw({})],
  ],
  [
    "a size in an extended header beyond all numbers",
    "tar-invalid",
    [raw({ type: "x" }, records({ size: "9007199254740993" })), raw({})],
  ],
  ["a time that is none", "tar-invalid", [raw({ type: "x" }, records({ mtime: "1e9" })), raw({})]],
  ["a GNU sparse file", "tar-unsupported", [raw({ type: "S", magic: "ustar  \0" })]],
  [
    "a pax sparse file",
    "tar-unsupported",
    [raw({ type: "x" }, records({ "GNU.sparse.major": "1" })), raw({})],
  ],
  ["a part of a volume set", "tar-unsupported", [raw({ type: "M" })]],
  ["a name that is not UTF-8", "tar-unsupported", [raw({ type: "L" }, Buffer.from([0xff, 0])), raw({})]],
];

for (const [what, code, parts] of broken) {
  test(`refused: ${what}`, () => {
    const bytes = Buffer.concat(parts);
    for (const step of [1, 512, 1 << 20]) {
      assert.throws(
        () => read(bytes, step),
        (error) => error instanceof TarError && error.code === code,
      );
    }
  });
}

/** Any coded refusal will do, but no other error; what is accepted has contents as long as its headers say. */
function survives(bytes: Uint8Array, step: number): void {
  try {
    for (const { header, content } of read(bytes, step)) {
      assert.equal(content.length, header.size);
      assert.notEqual(header.path, "");
    }
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
  }
}

test("damaged archives are refused with a code, or read", async () => {
  const damage = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 16 }),
      fc.constantFrom(
        ...["0", "\0", " ", "x", "L", "g", "77777777777", "99999999 path=", "\xff\xff\xff\xff"].map((s) =>
          Buffer.from(s, "latin1"),
        ),
      ),
    ),
    mend: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEntry, { minLength: 1, maxLength: 5 }),
      fc.array(damage, { maxLength: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(1, 512, 777, 1 << 20),
      async (entries, damages, cut, step) => {
        const bytes = await archive(entries);
        for (const { at, bytes: by, mend } of damages) {
          const from = Math.floor(at * bytes.length);
          bytes.set(by.subarray(0, bytes.length - from), from);
          if (mend) mendChecksum(bytes, from - (from % 512));
        }
        survives(bytes, step);
        survives(bytes.subarray(0, Math.floor(cut * bytes.length)), step);
      },
    ),
    { numRuns: 500 },
  );
});

/** A wrong checksum would hide the damage from all but the first check. */
function mendChecksum(bytes: Buffer, at: number): void {
  const block = bytes.subarray(at, at + 512);
  if (block.length < 512) return;
  block.fill(" ", 148, 156);
  block.write(
    `${block
      .reduce((a, b) => a + b, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
}

test("random bytes are refused with a code", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), fc.constantFrom(1, 100, 4096), survives));
});

test("an end mark as a file's contents does not end the archive", async () => {
  const bytes = await archive([file("a", new Uint8Array(2048)), file("b", "b")]);
  assert.deepEqual(
    read(bytes, 100).map((f) => f.header.path),
    ["a", "b"],
  );
});

test("a header as a file's contents is no entry", async () => {
  const inner = await archive([file("smuggled", "x")]);
  const bytes = await archive([file("outer", inner), file("b", "b")]);
  assert.deepEqual(
    read(bytes).map((f) => f.header.path),
    ["outer", "b"],
  );
});

test("many small records in one extended header cost no more than their bytes", () => {
  const many = records({ a: "b" }).repeat(170_000);
  const reader = new TarReader({ entry() {}, data() {}, end() {} });
  reader.write(raw({ type: "x" }, many));
  reader.write(raw({}));
  reader.finish();
});
