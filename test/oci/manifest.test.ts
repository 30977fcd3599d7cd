import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  canonicalJson,
  MediaType,
  OciError,
  parseConfig,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
} from "../../src/oci/index.ts";

const digest = `sha256:${"0".repeat(64)}`;
const d = { mediaType: MediaType.layerGzip, digest, size: 3 };
const manifest = {
  schemaVersion: 2,
  mediaType: MediaType.manifest,
  config: { ...d, mediaType: MediaType.config },
  layers: [d],
};
const index = {
  schemaVersion: 2,
  mediaType: MediaType.index,
  manifests: [{ ...d, mediaType: MediaType.manifest }],
};
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const coded = (code: string) => (e: unknown) => e instanceof OciError && e.code === code;

test("a manifest and an index are told apart by what they hold, with or without a media type", () => {
  assert.equal(parseManifest(bytes(manifest)).layers[0]?.size, 3);
  assert.equal(parseIndex(bytes(index)).manifests.length, 1);
  assert.equal(parseManifestOrIndex(bytes({ ...index, mediaType: undefined })).kind, "index");
  assert.equal(parseManifestOrIndex(bytes({ ...manifest, mediaType: undefined })).kind, "manifest");
  assert.throws(() => parseManifest(bytes(index)), coded("manifest-invalid"));
  assert.throws(() => parseIndex(bytes(manifest)), coded("manifest-invalid"));
});

test("platforms, annotations and the rest are kept; a nonsense platform is not", () => {
  const [m] = parseIndex(
    bytes({
      ...index,
      manifests: [
        {
          ...d,
          platform: { os: "linux", architecture: "arm64", variant: "v8" },
          annotations: { a: "b", n: 1 },
        },
      ],
    }),
  ).manifests;
  assert.deepEqual(m?.platform, { os: "linux", architecture: "arm64", variant: "v8" });
  assert.deepEqual(m?.annotations, { a: "b" });
  const [odd] = parseIndex(bytes({ ...index, manifests: [{ ...d, platform: "linux" }] })).manifests;
  assert.equal(odd?.platform, undefined);
});

test("a document that could be read two ways, or says what it does not hold, is refused", () => {
  const wrong: readonly unknown[] = [
    { ...manifest, manifests: [] },
    { ...index, mediaType: MediaType.manifest },
    { ...manifest, mediaType: MediaType.index },
    { ...manifest, schemaVersion: 1 },
    { ...manifest, config: undefined },
    { ...manifest, layers: {} },
    { ...manifest, layers: [{ ...d, size: -1 }] },
    { ...manifest, layers: [{ ...d, size: 1e300 }] },
    { ...manifest, layers: [{ ...d, digest: "sha256:../../etc/passwd" }] },
    { ...manifest, layers: [{ ...d, mediaType: "" }] },
    { ...manifest, subject: 1 },
    [],
    null,
    "manifest",
  ];
  for (const value of wrong)
    assert.throws(() => parseManifestOrIndex(bytes(value)), coded("manifest-invalid"));
  assert.throws(() => parseManifestOrIndex(Buffer.from([0xff, 0xfe])), coded("manifest-invalid"));
  assert.throws(() => parseManifestOrIndex(bytes(manifest), MediaType.index), coded("manifest-invalid"));
  assert.throws(
    () => parseManifestOrIndex(bytes({ ...manifest, mediaType: "text/plain" })),
    coded("media-type-unknown"),
  );
});

test("a config gives diff_ids and the image's environment", () => {
  const config = parseConfig(
    bytes({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [digest] },
      config: { Env: ["A=1", "B=x=y", "bad", "A=2", 3] },
    }),
  );
  assert.deepEqual(config.diffIds, [digest]);
  assert.deepEqual(
    [...config.env],
    [
      ["A", "2"],
      ["B", "x=y"],
    ],
  );
  assert.equal(parseConfig(bytes({})).diffIds, undefined);
  assert.throws(
    () => parseConfig(bytes({ rootfs: { type: "layers", diff_ids: ["x"] } })),
    coded("config-invalid"),
  );
  assert.throws(
    () => parseConfig(bytes({ rootfs: { type: "layers", diff_ids: 1 } })),
    coded("config-invalid"),
  );
});

test("any JSON is read or refused with a code, never anything else", () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), fc.json(), (a, b, c) => {
      const text = `{"schemaVersion":2,"config":${a},"layers":${b},"manifests":${c}}`;
      for (const read of [parseManifestOrIndex, parseConfig]) {
        try {
          read(Buffer.from(text));
        } catch (e) {
          assert.ok(e instanceof OciError, String(e));
        }
      }
    }),
  );
});

test("canonical JSON has one spelling", () => {
  assert.equal(
    Buffer.from(canonicalJson({ b: [{ z: 1, a: undefined, m: null }], a: "ü" })).toString(),
    '{"a":"ü","b":[{"m":null,"z":1}]}',
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (o) => {
      const reversed = Object.fromEntries(Object.entries(o).reverse());
      assert.deepEqual(canonicalJson(o), canonicalJson(reversed));
    }),
  );
});
