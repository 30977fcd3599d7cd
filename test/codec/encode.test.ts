import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { quietCall } from "../../src/base/index.ts";
import { compressors } from "../../src/codec/blocks.ts";
import { encoderFor, knownAnswer, type LayerFormat } from "../../src/codec/index.ts";
import { compress, inChunks, noise, prose } from "./streams.ts";

const MIB = 1 << 20;
const mixed = Buffer.concat([prose(2.5 * MIB), noise(3.2 * MIB), prose(1.1 * MIB)]);
const inputs: readonly (readonly [string, Buffer])[] = [
  ["nothing", Buffer.alloc(0)],
  ["one byte", Buffer.from("x")],
  ["exactly one block", prose(MIB)],
  ["a block and a byte", prose(MIB + 1)],
  ["a window less than a block's end", prose(2 * MIB - 32 * 1024 + 1)],
  ["zeros", Buffer.alloc(5 * MIB)],
  ["noise", noise(2.5 * MIB)],
  ["text, noise, text", mixed],
];
const oracles = { none: (b: Buffer) => b, gzip: gunzipSync, auto: gunzipSync, zstd: zstdDecompressSync };

for (const compression of ["none", "gzip", "auto", "zstd"] as const) {
  for (const [what, input] of inputs) {
    test(`${compression} of ${what} is what Node.js decompresses, whatever the chunks`, async () => {
      const whole = await compress(input, { compression }, 1 << 30);
      assert.ok(oracles[compression](whole).equals(input));
      for (const step of [65_537, MIB])
        assert.ok((await compress(input, { compression }, step)).equals(whole), `${step}`);
    });
  }
}

test("auto stores noise and compresses text", async () => {
  const [gzip, auto] = [
    await compress(mixed, { compression: "gzip" }),
    await compress(mixed, { compression: "auto" }),
  ];
  assert.ok(Math.abs(auto.length - gzip.length) < gzip.length / 100);
  const random = noise(4 * MIB);
  // 17 stored blocks to a MiB, 5 bytes each, and the frame.
  assert.equal(
    (await compress(random, { compression: "auto" })).length,
    random.length + 4 * 17 * 5 + 10 + 2 + 8,
  );
});

test("auto is not fooled by bytes that only look evenly spread", async () => {
  const ramp = Buffer.from(Array.from({ length: 2 * MIB }, (_, i) => i % 256));
  assert.ok((await compress(ramp, { compression: "auto" })).length < ramp.length / 50);
});

test("blocks see the block before them", async () => {
  const block = noise(16 * 1024);
  // The second block's beginning repeats the end of the first.
  const input = Buffer.concat([prose(MIB - block.length), block, block, prose(1000)]);
  const once = Buffer.concat([prose(MIB - block.length), block, prose(1000)]);
  const more =
    (await compress(input, { compression: "gzip" })).length -
    (await compress(once, { compression: "gzip" })).length;
  assert.ok(more < 1024, `a repetition of 16 KiB took ${more} bytes`);
});

test("the gzip header says nothing of time, name or system", async () => {
  const bytes = await compress(prose(10), { compression: "gzip" });
  assert.equal(bytes.subarray(0, 10).toString("hex"), "1f8b08000000000000ff");
});

test("the bytes of each format are fixed where Node.js' own compression is", async (t) => {
  const expected: Record<string, string> = {
    "none/1": "78fade6a236182c061524b60c204eba40acbec0e4783a2049a42bff62473ea86",
    "gzip-6/1": "336d3f72b85abeaa0302986fd02be9f6bade84dcd726f218cfa70968c3b72bea",
    "gzip-1/1": "3caddfbabec9c5f4b79cd35490f278ce0d16a1a8f5234223090c38619e050570",
    "gzip-auto-6/1": "8abebf752a2877a30f390040651ee54e74972a9eda5aff9293423e28d7095994",
    "zstd-3/1": "f8e3ceb56318ac04474eb94ec35c97bbfd15a279e4fc0065d8e97bd3a92edd4c",
  };
  const formats: LayerFormat[] = [
    { compression: "none" },
    { compression: "gzip" },
    { compression: "gzip", level: 1 },
    { compression: "auto" },
    { compression: "zstd" },
  ];
  for (const format of formats) {
    if (!(await knownAnswer(format.compression))) {
      t.diagnostic(`this build of Node.js has its own ${format.compression}`);
      continue;
    }
    const digest = createHash("sha256")
      .update(await compress(mixed, format))
      .digest("hex");
    assert.equal(digest, expected[encoderFor(format).id], encoderFor(format).id);
  }
});

for (const threads of ["1", "2", "16"]) {
  test(`the bytes do not depend on the number of threads: ${threads}`, async () => {
    const script = `
      import { compress, prose } from ${JSON.stringify(import.meta.resolve("./streams.ts"))};
      for (const compression of ["gzip", "zstd"]) process.stdout.write(await compress(prose(${5 * MIB}), { compression }));`;
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      env: { ...process.env, UV_THREADPOOL_SIZE: threads },
      maxBuffer: 64 * MIB,
    });
    assert.equal(run.status, 0, run.stderr.toString());
    const here = [
      await compress(prose(5 * MIB), { compression: "gzip" }),
      await compress(prose(5 * MIB), { compression: "zstd" }),
    ];
    assert.ok(run.stdout.equals(Buffer.concat(here)));
  });
}

test("ids name the format and its level", () => {
  const ids: readonly (readonly [LayerFormat, string])[] = [
    [{ compression: "none" }, "none/1"],
    [{ compression: "gzip" }, "gzip-6/1"],
    [{ compression: "gzip", level: 9 }, "gzip-9/1"],
    [{ compression: "auto" }, "gzip-auto-6/1"],
    [{ compression: "zstd", level: 19 }, "zstd-19/1"],
  ];
  for (const [format, id] of ids) assert.equal(encoderFor(format).id, id);
});

for (const format of [
  { compression: "gzip", level: 0 },
  { compression: "gzip", level: 10 },
  { compression: "auto", level: 1.5 },
  { compression: "zstd", level: 20 },
  { compression: "none", level: 1 },
] as const) {
  test(`no level ${format.level} of ${format.compression}`, () => {
    assert.throws(() => encoderFor(format), { code: "codec-level", wrongUse: true });
  });
}

for (const compression of ["gzip", "zstd"] as const) {
  test(`${compression}: a consumer that pauses holds the input back`, async () => {
    let taken = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      const chunk = prose(MIB);
      for (;;) {
        taken += chunk.length;
        yield chunk;
      }
    }
    const output = encoderFor({ compression }).encode(endless(), quietCall())[Symbol.asyncIterator]();
    await output.next();
    await output.next();
    const before = taken;
    for (let i = 0; i < 100; i++) await turn();
    assert.equal(taken, before);
    // What is in flight is most of the memory that packing takes.
    const most = compression === "gzip" ? compressors() + 1 : 4 * compressors();
    assert.ok(taken <= most * MIB, `${taken}`);
    await output.return?.();
  });

  test(`${compression}: an error of the input comes through, after all work has come to rest`, async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield prose(6 * MIB);
      throw new Error("the disk is gone");
    }
    const drain = async (): Promise<void> => {
      for await (const _ of encoderFor({ compression }).encode(failing(), quietCall()));
    };
    await assert.rejects(drain, /the disk is gone/);
  });

  test(`${compression}: an abort ends it, and the input is closed`, async () => {
    const controller = new AbortController();
    let closed = false;
    async function* input(): AsyncGenerator<Uint8Array> {
      try {
        for (let n = 0; ; n++) {
          if (n === 20) controller.abort();
          yield* inChunks(prose(MIB), MIB);
        }
      } finally {
        closed = true;
      }
    }
    const drain = async (): Promise<void> => {
      for await (const _ of encoderFor({ compression }).encode(input(), quietCall(controller.signal)));
    };
    await assert.rejects(drain, { name: "AbortError" });
    assert.ok(closed);
  });
}
