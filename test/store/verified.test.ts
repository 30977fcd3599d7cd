import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ByteSource, collect, fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, MediaType } from "../../src/oci/index.ts";
import { type Medium, memoryMedium, verified } from "../../src/store/index.ts";
import { codeOf, layerOf, pieces, someBytes } from "../contract/store.ts";

const call = quietCall();
const bytes = someBytes(100_000);
const d = layerOf(bytes);

/** A medium that holds the right bytes, and answers a read with others. */
async function lying(answer: (from: number) => AsyncIterable<Uint8Array>): Promise<Medium> {
  const medium = memoryMedium();
  await verified(medium).put(d, fromBytes(bytes), call);
  return { ...medium, open: (_d, from) => answer(from) };
}

const changed = Buffer.from(bytes);
changed[0] = 255 - (changed[0] ?? 0);

const lies: readonly [string, (from: number) => AsyncIterable<Uint8Array>, string][] = [
  ["other bytes", () => pieces(changed, 4096).open(0, call), "digest-mismatch"],
  ["the last byte missing", () => pieces(bytes.subarray(0, -1), 4096).open(0, call), "size-mismatch"],
  ["nothing", () => fromBytes(new Uint8Array()).open(0, call), "size-mismatch"],
  [
    "a byte too many",
    () => pieces(Buffer.concat([bytes, Buffer.from("x")]), 4096).open(0, call),
    "size-mismatch",
  ],
  ["the wrong offset", () => pieces(bytes.subarray(1), 4096).open(0, call), "size-mismatch"],
];

for (const [what, answer, code] of lies) {
  test(`a medium that answers with ${what} is found out`, async () => {
    const store = verified(await lying(answer));
    assert.equal(await codeOf(collect(store.read(d, call), 1_000_000, "content")), code);
  });
}

test("an endless answer ends as soon as it is too long", async () => {
  let given = 0;
  const medium = await lying(async function* () {
    for (;;) {
      given += 1000;
      yield bytes.subarray(0, 1000);
    }
  });
  for (const from of [0, 50_000]) {
    given = 0;
    assert.equal(
      await codeOf(collect(verified(medium).read(d, call, from), 1e9, "content")),
      "size-mismatch",
    );
    assert.equal(given, d.size - from + 1000);
  }
});

test("a partial read is checked for its size", async () => {
  const store = verified(await lying((from) => fromBytes(changed).open(from + 1, call)));
  assert.equal(await codeOf(collect(store.read(d, call, 500), 1_000_000, "content")), "size-mismatch");
});

test("a medium that names another digest than the one asked for is found out", async () => {
  const medium: Medium = { ...memoryMedium(), resolve: async () => layerOf(changed) };
  assert.equal(await codeOf(verified(medium).resolve(d.digest, call)), "digest-mismatch");
  const broken: Descriptor = { ...d, size: -1 };
  const sizes: Medium = { ...memoryMedium(), resolve: async () => broken };
  assert.equal(await codeOf(verified(sizes).resolve("tag", call)), "size-mismatch");
});

test("a medium that stops reading early has stored nothing", async () => {
  const medium: Medium = {
    ...memoryMedium(),
    async write(content, c) {
      for await (const _ of content.source.open(0, c)) break;
      content.seal();
    },
  };
  assert.equal(await codeOf(verified(medium).put(d, pieces(bytes, 1000), call)), "size-mismatch");
  assert.equal(
    await codeOf(verified(medium).ingest(d.mediaType, pieces(bytes, 1000), call)),
    "size-mismatch",
  );
});

test("wrong bytes are found before the medium gets the last chunk", async () => {
  let received = 0;
  const medium: Medium = {
    ...memoryMedium(),
    async write(content, c) {
      for await (const chunk of content.source.open(0, c)) received += chunk.length;
      content.seal();
    },
  };
  assert.equal(await codeOf(verified(medium).put(d, pieces(changed, 1000), call)), "digest-mismatch");
  assert.equal(received, d.size - 1000);
});

/** A medium whose connection is cut after each of `cuts` bytes, and resumed from what it had acknowledged by then. */
function cutting(cuts: readonly { after: number; lost: number }[]): {
  medium: Medium;
  received: () => Buffer;
} {
  let received = Buffer.alloc(0);
  const medium: Medium = {
    ...memoryMedium(),
    async write(content, c) {
      for (const { after, lost } of [...cuts, { after: Number.POSITIVE_INFINITY, lost: 0 }]) {
        let seen = 0;
        for await (const chunk of content.source.open(received.length, c)) {
          received = Buffer.concat([received, chunk]);
          seen += chunk.length;
          if (seen >= after) break;
        }
        if (after !== Number.POSITIVE_INFINITY)
          received = received.subarray(0, Math.max(0, received.length - lost));
      }
      content.seal();
    },
  };
  return { medium, received: () => received };
}

test("however often a source is opened again, each byte is hashed once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000, size: "max" }),
      fc.integer({ min: 1, max: 700 }),
      fc.array(fc.record({ after: fc.nat(1500), lost: fc.nat(1500) }), { maxLength: 5 }),
      fc.boolean(),
      async (content, piece, cuts, known) => {
        const expected = layerOf(content);
        const { medium, received } = cutting(cuts);
        const store = verified(medium);
        const source: ByteSource = pieces(content, piece);
        if (known) await store.put(expected, source, call);
        else assert.deepEqual(await store.ingest(MediaType.layerTar, source, call), expected);
        assert.deepEqual(received(), Buffer.from(content));
      },
    ),
    // Shrinking thousands of bytes takes minutes, and the cuts tell the tale.
    { endOnFailure: true },
  );
});

test("an upload that goes on from an offset which it never read has all bytes hashed nevertheless", async () => {
  const got: Uint8Array[] = [];
  const medium: Medium = {
    ...memoryMedium(),
    async write(content, c) {
      for await (const chunk of content.source.open(70_500, c)) got.push(Buffer.from(chunk));
      content.seal();
    },
  };
  assert.deepEqual(await verified(medium).ingest(MediaType.layerTar, pieces(bytes, 1000), call), d);
  assert.deepEqual(Buffer.concat(got), bytes.subarray(70_500));
  assert.equal(await codeOf(verified(medium).put(d, pieces(changed, 1000), call)), "digest-mismatch");
});
