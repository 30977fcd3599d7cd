import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { collect, quietCall } from "../../src/base/index.ts";
import { CodecError, decode, decoderFor, sniff } from "../../src/codec/index.ts";
import { decompress, inChunks, noise, prose } from "./streams.ts";

const text = prose(300_000);
/** A skippable zstd frame (RFC 8878, section 3.1.2). */
const skippable = Buffer.from("532a4d1803000000616263", "hex");
/** Header flags with everything: extra field, name, comment, header checksum. */
const ornate = Buffer.concat([
  Buffer.from("1f8b081e00000000000302006162", "hex"),
  Buffer.from("name\0comment\0"),
  Buffer.from([0, 0]),
  gzipSync(text).subarray(10),
]);

const good: readonly (readonly [string, "gzip" | "zstd", Buffer, Buffer])[] = [
  ["one member", "gzip", gzipSync(text), text],
  ["no content", "gzip", gzipSync(""), Buffer.alloc(0)],
  ["stored blocks", "gzip", gzipSync(noise(200_000), { level: 0 }), noise(200_000)],
  [
    "many members, some empty",
    "gzip",
    Buffer.concat([gzipSync(text), gzipSync(""), gzipSync("x"), gzipSync("")]),
    Buffer.concat([text, Buffer.from("x")]),
  ],
  ["a header with all fields", "gzip", ornate, text],
  ["one frame", "zstd", zstdCompressSync(text), text],
  ["no content", "zstd", zstdCompressSync(""), Buffer.alloc(0)],
  ["noise", "zstd", zstdCompressSync(noise(300_000)), noise(300_000)],
  ["zeros", "zstd", zstdCompressSync(Buffer.alloc(3_000_000)), Buffer.alloc(3_000_000)],
  [
    "many frames, some to be skipped",
    "zstd",
    Buffer.concat([skippable, zstdCompressSync(text), skippable, zstdCompressSync("x"), skippable]),
    Buffer.concat([text, Buffer.from("x")]),
  ],
];

for (const [what, compression, bytes, expected] of good) {
  test(`${compression}: ${what}, however it is cut`, async () => {
    for (const step of [1, 13, 4096, 1 << 20]) {
      if (step === 1 && bytes.length > 250_000) continue;
      assert.ok(decompress(bytes, compression, step).equals(expected), `in steps of ${step}`);
    }
    const streamed = await collect(decode(inChunks(bytes, 5000), compression, quietCall()), 1e8, "it");
    assert.ok(Buffer.from(streamed).equals(expected));
    assert.equal(sniff(bytes), compression);
  });

  test(`${compression}: ${what}, cut short anywhere`, () => {
    const members = new Set(compression === "gzip" ? memberEnds(what) : frameEnds(bytes));
    const cuts = [
      0,
      1,
      3,
      9,
      11,
      19,
      20,
      21,
      Math.floor(bytes.length / 2),
      bytes.length - 9,
      bytes.length - 5,
      bytes.length - 1,
    ];
    for (const cut of cuts.filter((c) => c >= 0 && c < bytes.length && !members.has(c))) {
      for (const step of [7, 1 << 20]) {
        assert.throws(
          () => decompress(bytes.subarray(0, cut), compression, step),
          (error) => error instanceof CodecError && error.code === "codec-truncated",
          `cut at ${cut}`,
        );
      }
    }
  });
}

/** Where members of the archives above end before their end: a cut there is no truncation. */
function memberEnds(what: string): number[] {
  if (!what.startsWith("many")) return [];
  const first = gzipSync(text).length;
  return [first, first + 20, first + 20 + gzipSync("x").length];
}

function frameEnds(bytes: Buffer): number[] {
  return bytes.subarray(0, 4).equals(skippable.subarray(0, 4))
    ? [skippable.length, bytes.length - skippable.length]
    : [];
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
};
const gz = gzipSync(text);
const corrupt: readonly (readonly [string, "gzip" | "zstd", Buffer])[] = [
  ["not gzip at all", "gzip", Buffer.from("PK\x03\x04 and so on, for long enough")],
  ["another method", "gzip", flipped(gz, 2)],
  ["unknown flags", "gzip", Buffer.concat([gz.subarray(0, 3), Buffer.from([0x80]), gz.subarray(4)])],
  ["damage in the middle", "gzip", flipped(gz, gz.length >> 1)],
  ["a wrong checksum", "gzip", flipped(gz, gz.length - 8)],
  ["a wrong size", "gzip", flipped(gz, gz.length - 4)],
  ["rubbish behind the end", "gzip", Buffer.concat([gz, Buffer.from("rubbish")])],
  ["zeros behind the end", "gzip", Buffer.concat([gz, Buffer.alloc(512)])],
  ["not zstd at all", "zstd", Buffer.from("PK\x03\x04 and so on")],
  ["damage in the middle", "zstd", flipped(zstdCompressSync(text), 3000)],
  ["rubbish behind the end", "zstd", Buffer.concat([zstdCompressSync(text), Buffer.from("rubbish")])],
];

for (const [what, compression, bytes] of corrupt) {
  test(`${compression} refused: ${what}`, () => {
    for (const step of [1, 1000, 1 << 20]) {
      assert.throws(
        () => decompress(bytes, compression, step),
        (error) => error instanceof CodecError && error.code === "codec-corrupt",
      );
    }
  });
}

test("any damage is refused with a code, or harmless", () => {
  const originals = [
    gzipSync(text.subarray(0, 5000)),
    zstdCompressSync(text.subarray(0, 5000)),
    gzipSync(noise(3000)),
    ornate,
  ];
  fc.assert(
    fc.property(
      fc.nat(originals.length - 1),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
        maxLength: 4,
      }),
      fc.constantFrom(1, 100, 1 << 20),
      (which, damages, step) => {
        const bytes = Buffer.from(originals[which] ?? Buffer.alloc(0));
        for (const [at, by] of damages) bytes[Math.floor(at * bytes.length)] = by;
        try {
          decompress(bytes, which === 1 ? "zstd" : "gzip", step);
        } catch (error) {
          if (!(error instanceof CodecError)) throw error;
        }
      },
    ),
    { numRuns: 300 },
  );
});

for (const [compression, bomb] of [
  ["gzip", gzipSync(Buffer.alloc(64 << 20))],
  ["zstd", zstdCompressSync(Buffer.alloc(64 << 20))],
] as const) {
  test(`${compression}: a bomb comes in small pieces and can be stopped`, () => {
    let size = 0;
    for (const piece of decoderFor(compression).write(bomb)) {
      assert.ok(piece.length <= 512 * 1024);
      size += piece.length;
      if (size > 4 << 20) break;
    }
    assert.ok(size < 5 << 20);
  });
}

test("a decoder that is finished, or has failed, throws instead of ending the process", () => {
  for (const compression of ["gzip", "zstd"] as const) {
    const finished = decoderFor(compression);
    assert.throws(() => [...finished.finish()], { code: "codec-truncated" });
    assert.throws(() => [...finished.write(compression === "gzip" ? gzipSync("x") : zstdCompressSync("x"))]);
    const failed = decoderFor(compression);
    const bad = compression === "gzip" ? flipped(gz, gz.length >> 1) : flipped(zstdCompressSync(text), 3000);
    assert.throws(() => [...failed.write(bad)], { code: "codec-corrupt" });
    assert.throws(() => [...failed.write(bad)], { code: "codec-corrupt" });
  }
});

test("sniffing goes by the first bytes", () => {
  assert.equal(sniff(new Uint8Array()), "none");
  assert.equal(sniff(Buffer.from([0x1f, 0x8b])), "none");
  assert.equal(sniff(Buffer.alloc(512)), "none");
  assert.equal(sniff(skippable), "zstd");
});
