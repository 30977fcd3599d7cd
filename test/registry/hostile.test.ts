import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { BaseError, temporaryFolder } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { folderBacking, registryHandler } from "../../src/registry/index.ts";
import { exchange, manifestOf, openRegistry, PLACES, pushImage, sha256 } from "./exchange.ts";

const CODES =
  /^(BLOB_UNKNOWN|BLOB_UPLOAD_INVALID|BLOB_UPLOAD_UNKNOWN|DIGEST_INVALID|MANIFEST_BLOB_UNKNOWN|MANIFEST_INVALID|MANIFEST_UNKNOWN|NAME_INVALID|NAME_UNKNOWN|SIZE_INVALID|UNAUTHORIZED|DENIED|UNSUPPORTED|TOOMANYREQUESTS)$/;

const climb = fc.constantFrom(
  "..",
  "%2e%2e",
  "..%2f..",
  ".",
  "",
  "_layout",
  "_uploads",
  "~",
  "%00",
  "%",
  "a\\..",
  "…",
  "CON",
);
const word = fc.oneof(climb, fc.constantFrom("img", "a", "a/b", "new"), fc.string({ maxLength: 8 }));
const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const digest = fc.constantFrom(
  sha256("{}"),
  sha256("layer"),
  sha256("nothing"),
  "sha256:short",
  `sha256:${"../".repeat(20)}x`,
  `sha512:${"0".repeat(128)}`,
  "md5:d41d8cd98f00b204e9800998ecf8427e",
);
const reference = fc.oneof(digest, word, fc.constantFrom("v1", "latest"));
const target = fc.oneof(
  fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/manifests/${r}`),
  fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/blobs/${r}`),
  fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/blobs/uploads/${r}`),
  name.map((n) => `/v2/${n}/blobs/uploads/`),
  name.map((n) => `/v2/${n}/tags/list`),
  fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/referrers/${r}`),
  name.map((n) => `/${n}`),
);
const query = fc.dictionary(
  fc.constantFrom("digest", "mount", "from", "n", "last", "tag", "artifactType"),
  fc.oneof(digest, word, name, fc.integer().map(String)),
);
const headers = fc.dictionary(
  fc.constantFrom("range", "content-range", "content-type", "content-length", "if-range", "if-none-match"),
  fc.oneof(
    fc.constantFrom(
      "bytes=0-",
      "bytes=5-1",
      "0-3",
      "3-0",
      "bytes=99999999999999999999-",
      MediaType.manifest,
      MediaType.index,
      "-1",
      "1e9",
    ),
    fc.string({ maxLength: 20 }),
  ),
);
const body = fc.oneof(
  fc.constantFrom(
    "",
    "{}",
    "layer",
    manifestOf("{}", ["layer"]),
    manifestOf("{}", ["missing"]),
    '{"__proto__":{"config":1}}',
  ),
  fc.json({ maxDepth: 3 }),
  fc.string(),
);
const method = fc.constantFrom(
  "GET",
  "HEAD",
  "PUT",
  "POST",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "__proto__",
);

for (const place of PLACES) {
  test(`${place}: 1,000 odd requests: a status of the spec with an OCI error, no failure, nothing outside the folder`, async () => {
    await using registry = await openRegistry(place);
    await pushImage(registry, "img", "v1");
    const outside = dirname(registry.root);
    const canary = join(outside, "canary");
    await writeFile(canary, "untouched");
    await fc.assert(
      fc.asyncProperty(
        method,
        target,
        query,
        headers,
        body,
        async (verb, path, parameters, fields, bytes) => {
          const answer = await exchange(registry, verb, `${path}?${new URLSearchParams(parameters)}`, {
            headers: fields,
            body: bytes,
          });
          assert.ok(
            answer.status >= 200 && answer.status < 500,
            `${verb} ${path} was answered ${answer.status}`,
          );
          if (answer.status < 400 || verb === "HEAD") return;
          assert.equal(answer.headers["content-type"], "application/json");
          assert.equal(answer.errors.length, 1);
          assert.ok(!answer.body.includes(outside), `${verb} ${path} tells where the folder is`);
          assert.match(answer.errors[0] ?? "", CODES);
        },
      ),
      { numRuns: 1000, seed: 20_26 },
    );
    assert.equal(await readFile(canary, "utf8"), "untouched");
    assert.deepEqual((await readdir(outside)).sort(), place === "memory" ? ["canary"] : ["canary", "data"]);
    if (place === "memory") return;
    const inside = await readdir(registry.root, { recursive: true });
    const ours =
      /^_(?:lock|lock-journal|uploads)(?:\/|$)|^[a-z0-9][a-z0-9._/-]*(?:\/_(?:layout|manifests|referrers)(?:\/|$).*)?$/;
    for (const path of inside) assert.match(path.split(sep).join("/"), ours);
  });
}

test("an error tells a client the repository, and not where its folder is on this machine", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using local = await folderBacking(folder.path);
  const full = new BaseError("disk-full", `no room left on the disk that holds ${folder.path}`);
  await using healthy = registryHandler(local);
  await using filled = registryHandler({ ...local, spool: () => Promise.reject(full) });
  for (const [registry, method, path, status, told] of [
    [
      healthy,
      "POST",
      `/v2/a/blobs/uploads/?digest=${sha256("other")}`,
      400,
      `the content is ${sha256("{}")}`,
    ],
    [filled, "POST", `/v2/a/blobs/uploads/?digest=${sha256("{}")}`, 507, "the disk of the registry is full"],
    [filled, "POST", "/v2/a/blobs/uploads/", 507, "the disk of the registry is full"],
  ] as const) {
    const answer = await exchange(registry, method, path, { body: "{}" });
    assert.equal(answer.status, status);
    const { message } = JSON.parse(answer.body.toString()).errors[0];
    assert.ok(message.startsWith(told), message);
    assert.ok(!message.includes(folder.path), message);
  }
});

test("a name or reference of a million characters is refused at once", async () => {
  await using registry = await openRegistry("memory");
  const long = "a-".repeat(500_000);
  for (const path of [
    `/v2/${long}/tags/list`,
    `/v2/a/manifests/${long}`,
    `/v2/a/blobs/${long}`,
    `/v2/${"a/manifests/".repeat(80_000)}`,
  ]) {
    const answer = await exchange(registry, "GET", path);
    assert.ok(answer.status === 400 || answer.status === 404);
    assert.ok(answer.body.length < 2000, "the answer repeats what it was sent");
  }
});
