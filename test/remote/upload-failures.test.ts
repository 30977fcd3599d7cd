import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteSource, quietCall } from "../../src/base/index.ts";
import { codeOf } from "../contract/store.ts";
import {
  blob,
  bytes,
  cutAfter,
  early,
  type Misbehaviour,
  type Step,
  source,
  status,
  uploadRegistry,
} from "./upload-registry.ts";

const call = quietCall();
const always = (step: Step): Step[] => Array.from({ length: 12 }, () => step);

// What goes wrong each time, the error's code, and the last request.
const failures: readonly [string, Misbehaviour, string, string][] = [
  ["413, however small the pieces", { PATCH: always(early(413)) }, "registry-error", "DELETE /up/5"],
  ["403 to POST", { POST: [status(403)] }, "denied", "POST uploads/"],
  ["500 to PUT", { PUT: always(status(500)) }, "registry-error", "DELETE /up/1"],
  [
    "501 to PUT: it will not be another answer later",
    { PUT: [status(501)] },
    "registry-error",
    "DELETE /up/1",
  ],
  [
    "429 to POST, for an hour",
    { POST: [status(429, { "retry-after": "3600" })] },
    "rate-limited",
    "POST uploads/",
  ],
  [
    "a digest refused without a cut",
    { PUT: [status(400, {}, "DIGEST_INVALID")] },
    "registry-error",
    "DELETE /up/1",
  ],
  ["no Location", { POST: [status(202)] }, "registry-error", "POST uploads/"],
  [
    "a Location that is none",
    { POST: [status(202, { location: "http://[" })] },
    "registry-error",
    "POST uploads/",
  ],
  ["cut", { PATCH: always(cutAfter(0)) }, "registry-unreachable", "DELETE /up/3"],
  [
    "cut at the same place",
    { PATCH: always(cutAfter(100_000)), GET: always(status(404)) },
    "registry-unreachable",
    "DELETE /up/3",
  ],
];
for (const [name, wrong, code, last] of failures) {
  test(`upload: ${name}: ${code}, and nothing is left open`, async () => {
    await using registry = await uploadRegistry(wrong);
    await using store = registry.store();
    assert.equal(await codeOf(store.ingest(blob.mediaType, source(false), call)), code);
    assert.equal(registry.log.at(-1), last);
    assert.equal(registry.open.size, 0);
    assert.equal(registry.blobs.size, 0);
  });
}

test("an abort, and a source that breaks, end the upload at the registry", async () => {
  for (const aborting of [true, false]) {
    await using registry = await uploadRegistry();
    await using store = registry.store();
    const gone = new AbortController();
    const own = new Error("the disk broke");
    const broken: ByteSource = {
      async *open() {
        yield bytes;
        if (!aborting) throw own;
        gone.abort(own);
        yield bytes;
      },
    };
    await assert.rejects(store.ingest(blob.mediaType, broken, { signal: gone.signal }), (e) => e === own);
    assert.deepEqual(registry.log, ["POST uploads/", "PATCH /up/1", "DELETE /up/1"]);
    assert.equal(registry.open.size, 0);
  }
});

test("an abort ends an upload though its source is stuck, and closes the upload at the registry", async () => {
  await using registry = await uploadRegistry();
  await using store = registry.store();
  const gone = new AbortController();
  const reason = new Error("enough");
  const stuck: ByteSource = {
    async *open() {
      yield bytes.subarray(0, 1000);
      setImmediate(() => gone.abort(reason));
      await new Promise(() => {});
    },
  };
  await assert.rejects(store.ingest(blob.mediaType, stuck, { signal: gone.signal }), (e) => e === reason);
  assert.equal(registry.log.at(-1), "DELETE /up/1");
});

test("a source with other bytes than it said ends the upload with what is wrong", async () => {
  for (const [content, said, code] of [
    [bytes.subarray(1), bytes.length, "file-changed"],
    [bytes, bytes.length - 1, "file-changed"],
  ] as const) {
    await using registry = await uploadRegistry();
    await using store = registry.store();
    const lying = { ...source(false, content), size: said };
    assert.equal(await codeOf(store.ingest(blob.mediaType, lying, call)), code);
    assert.equal(registry.open.size, 0);
  }
});
