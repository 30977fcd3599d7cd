import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { MediaType } from "../../src/oci/index.ts";
import { exchange, manifestOf, openRegistry, PLACES, pushBlob, pushImage, sha256 } from "./exchange.ts";

for (const place of PLACES) {
  test(`${place}: the version check, on both spellings`, async () => {
    await using registry = await openRegistry(place);
    for (const path of ["/v2/", "/v2"]) {
      const answer = await exchange(registry, "GET", path);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
    }
  });

  test(`${place}: a blob sent in one POST comes back, by GET and HEAD, also with an encoded colon`, async () => {
    await using registry = await openRegistry(place);
    const bytes = Buffer.alloc(3000, "abc");
    const digest = await pushBlob(registry, "a/b", bytes);
    for (const reference of [digest, digest.replace(":", "%3A")]) {
      const answer = await exchange(registry, "GET", `/v2/a/b/blobs/${reference}`);
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, bytes);
      assert.equal(answer.headers["docker-content-digest"], digest);
      assert.equal(answer.headers["content-length"], "3000");
    }
    const head = await exchange(registry, "HEAD", `/v2/a/b/blobs/${digest}`);
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "3000", 0]);
    const part = { headers: { range: "bytes=0-1" } };
    const ranged = await exchange(registry, "HEAD", `/v2/a/b/blobs/${digest}`, part);
    assert.deepEqual([ranged.status, ranged.headers["content-length"]], [200, "3000"], "RFC 9110, 14.2");
  });

  for (const [known, status] of [
    ['"DIGEST"', 304],
    ['"another", "DIGEST"', 304],
    ['W/"DIGEST"', 304],
    ["*", 304],
    ['"another"', 200],
    ["DIGEST", 200],
  ] as const) {
    test(`${place}: If-None-Match: ${known} is ${status}, of a blob and of a manifest`, async () => {
      await using registry = await openRegistry(place);
      const manifest = await pushImage(registry, "a", "v1");
      for (const [kind, digest] of [
        ["blobs", sha256("layer")],
        ["manifests", manifest],
      ] as const) {
        const headers = { "if-none-match": known.replace("DIGEST", digest) };
        const answer = await exchange(registry, "GET", `/v2/a/${kind}/${digest}`, { headers });
        assert.deepEqual([answer.status, answer.body.length > 0], [status, status === 200], kind);
        assert.equal(answer.headers["etag"], `"${digest}"`);
      }
    });
  }

  for (const [range, status, expected] of [
    ["bytes=0-2", 206, "012"],
    ["bytes=3-", 206, "3456789"],
    ["bytes=-4", 206, "6789"],
    ["bytes=-99", 206, "0123456789"],
    ["bytes=8-99", 206, "89"],
    ["bytes=9-9", 206, "9"],
    ["bytes=10-", 416, undefined],
    ["bytes=5-2", 416, undefined],
    ["bytes=-0", 416, undefined],
    ["bytes=0-1,3-4", 200, "0123456789"],
    ["lines=0-1", 200, "0123456789"],
    ["bytes=-", 200, "0123456789"],
    ["bytes=a-b", 200, "0123456789"],
  ] as const) {
    test(`${place}: Range ${range} of ten bytes is answered ${status}`, async () => {
      await using registry = await openRegistry(place);
      const digest = await pushBlob(registry, "r", "0123456789");
      const answer = await exchange(registry, "GET", `/v2/r/blobs/${digest}`, { headers: { range } });
      assert.equal(answer.status, status);
      if (expected === undefined) {
        assert.equal(answer.headers["content-range"], "bytes */10");
        assert.deepEqual(answer.errors, ["SIZE_INVALID"]);
        return;
      }
      assert.equal(answer.body.toString(), expected);
      assert.equal(answer.headers["content-length"], String(expected.length));
    });
  }

  test(`${place}: If-Range with another version gives the whole`, async () => {
    await using registry = await openRegistry(place);
    const digest = await pushBlob(registry, "r", "0123456789");
    const headers = { range: "bytes=0-1", "if-range": '"another"' };
    assert.equal((await exchange(registry, "GET", `/v2/r/blobs/${digest}`, { headers })).status, 200);
  });

  test(`${place}: an upload in chunks says where it stands, refuses a gap, and ends as the whole blob`, async () => {
    await using registry = await openRegistry(place);
    const began = await exchange(registry, "POST", "/v2/c/blobs/uploads/");
    assert.equal(began.status, 202);
    const at = began.headers["location"] ?? "";
    const send = (range: string, body: string): ReturnType<typeof exchange> =>
      exchange(registry, "PATCH", at, { headers: { "content-range": range }, body });
    assert.equal((await send("0-3", "abcd")).headers["range"], "0-3");
    const gap = await send("5-6", "fg");
    assert.deepEqual([gap.status, gap.headers["range"], gap.headers["location"]], [416, "0-3", at]);
    const lying = await send("4-9", "ef");
    assert.deepEqual([lying.status, lying.errors], [400, ["BLOB_UPLOAD_INVALID"]]);
    const status = await exchange(registry, "GET", at);
    assert.deepEqual([status.status, status.headers["range"]], [204, "0-3"]);
    assert.equal((await send("4-5", "ef")).status, 202);
    const digest = sha256("abcdefgh");
    const ended = await exchange(registry, "PUT", `${at}?digest=${digest}`, { body: "gh" });
    assert.deepEqual([ended.status, ended.headers["location"]], [201, `/v2/c/blobs/${digest}`]);
    assert.equal((await exchange(registry, "GET", `/v2/c/blobs/${digest}`)).body.toString(), "abcdefgh");
    assert.deepEqual((await exchange(registry, "GET", at)).errors, ["BLOB_UPLOAD_UNKNOWN"]);
  });

  test(`${place}: a stream that is cut leaves its bytes, and the client goes on from there`, async () => {
    await using registry = await openRegistry(place);
    const at = (await exchange(registry, "POST", "/v2/c/blobs/uploads/")).headers["location"] ?? "";
    const gone = new AbortController();
    async function* cut(): AsyncIterable<Uint8Array> {
      yield Buffer.from("abc");
      gone.abort();
      throw gone.signal.reason;
    }
    await exchange(registry, "PATCH", at, { body: cut(), signal: gone.signal });
    assert.equal((await exchange(registry, "GET", at)).headers["range"], "0-2");
    assert.equal((await exchange(registry, "PATCH", at, { body: "def" })).headers["range"], "0-5");
    assert.equal((await exchange(registry, "PUT", `${at}?digest=${sha256("abcdef")}`)).status, 201);
  });

  test(`${place}: a blob that was to come in one PUT and is cut leaves nothing, and the same PUT may be sent again`, async () => {
    await using registry = await openRegistry(place);
    const at = (await exchange(registry, "POST", "/v2/c/blobs/uploads/")).headers["location"] ?? "";
    const put = `${at}?digest=${sha256("abcdef")}`;
    const gone = new AbortController();
    async function* cut(): AsyncIterable<Uint8Array> {
      yield Buffer.from("abc");
      gone.abort();
      throw gone.signal.reason;
    }
    const headers = { "content-length": "6" };
    await exchange(registry, "PUT", put, { body: cut(), signal: gone.signal, headers });
    assert.equal((await exchange(registry, "PUT", put, { body: "abcdef" })).status, 201);
  });

  test(`${place}: two chunks sent at once take turns`, async () => {
    await using registry = await openRegistry(place);
    const at = (await exchange(registry, "POST", "/v2/c/blobs/uploads/")).headers["location"] ?? "";
    const part = (letter: string): Buffer => Buffer.alloc(50_000, letter);
    await Promise.all([
      exchange(registry, "PATCH", at, { body: part("a") }),
      exchange(registry, "PATCH", at, { body: part("b") }),
    ]);
    const digest = sha256(Buffer.concat([part("a"), part("b")]));
    assert.equal((await exchange(registry, "PUT", `${at}?digest=${digest}`)).status, 201);
  });

  for (const [how, push] of [
    [
      "POST",
      async (registry, digest) =>
        exchange(registry, "POST", `/v2/w/blobs/uploads/?digest=${digest}`, { body: "other" }),
    ],
    [
      "PUT",
      async (registry, digest) => {
        const at = (await exchange(registry, "POST", "/v2/w/blobs/uploads/")).headers["location"];
        return exchange(registry, "PUT", `${at}?digest=${digest}`, { body: "other" });
      },
    ],
    [
      "PATCH and PUT",
      async (registry, digest) => {
        const at = (await exchange(registry, "POST", "/v2/w/blobs/uploads/")).headers["location"] ?? "";
        await exchange(registry, "PATCH", at, { body: "oth" });
        return exchange(registry, "PUT", `${at}?digest=${digest}`, { body: "er" });
      },
    ],
  ] satisfies [
    string,
    (registry: Awaited<ReturnType<typeof openRegistry>>, digest: string) => ReturnType<typeof exchange>,
  ][]) {
    test(`${place}: bytes that are not the digest's, sent by ${how}, are refused and never seen`, async () => {
      await using registry = await openRegistry(place);
      const digest = sha256("wanted");
      const answer = await push(registry, digest);
      assert.deepEqual([answer.status, answer.errors], [400, ["DIGEST_INVALID"]]);
      assert.equal((await exchange(registry, "GET", `/v2/w/blobs/${digest}`)).status, 404);
      assert.equal((await exchange(registry, "GET", `/v2/w/blobs/${sha256("other")}`)).status, 404);
    });
  }

  test(`${place}: bytes that belie a digest which is there already are refused as well`, async () => {
    await using registry = await openRegistry(place);
    const digest = await pushBlob(registry, "w", "wanted");
    const answer = await exchange(registry, "POST", `/v2/w/blobs/uploads/?digest=${digest}`, {
      body: "others",
    });
    assert.deepEqual(answer.errors, ["DIGEST_INVALID"]);
    assert.equal((await exchange(registry, "GET", `/v2/w/blobs/${digest}`)).body.toString(), "wanted");
  });

  test(`${place}: a cancelled upload is gone, and belongs to one repository only`, async () => {
    await using registry = await openRegistry(place);
    const at = (await exchange(registry, "POST", "/v2/c/blobs/uploads/")).headers["location"] ?? "";
    const elsewhere = at.replace("/v2/c/", "/v2/d/");
    assert.equal((await exchange(registry, "PATCH", elsewhere, { body: "x" })).status, 404);
    assert.equal((await exchange(registry, "DELETE", at)).status, 204);
    assert.equal((await exchange(registry, "PATCH", at, { body: "x" })).status, 404);
  });

  for (const [from, how] of [
    ["&from=source/one", "by name"],
    ["", "from anywhere"],
  ] as const) {
    test(`${place}: a blob is mounted ${how}, and outlives its source's deletion`, async () => {
      await using registry = await openRegistry(place);
      const digest = await pushBlob(registry, "source/one", "shared");
      assert.equal((await exchange(registry, "GET", `/v2/target/blobs/${digest}`)).status, 404);
      const answer = await exchange(registry, "POST", `/v2/target/blobs/uploads/?mount=${digest}${from}`);
      assert.deepEqual([answer.status, answer.headers["location"]], [201, `/v2/target/blobs/${digest}`]);
      assert.equal((await exchange(registry, "DELETE", `/v2/source/one/blobs/${digest}`)).status, 202);
      assert.equal((await exchange(registry, "GET", `/v2/source/one/blobs/${digest}`)).status, 404);
      assert.equal((await exchange(registry, "GET", `/v2/target/blobs/${digest}`)).body.toString(), "shared");
    });
  }

  test(`${place}: one of two that delete the same is told that it is gone; its tags go with a manifest`, async () => {
    await using registry = await openRegistry(place);
    const digest = await pushImage(registry, "img", "v1");
    await pushImage(registry, "img", "v2");
    await pushImage(registry, "img", "v3");
    for (const reference of ["v1", digest]) {
      const twice = [1, 2].map(() => exchange(registry, "DELETE", `/v2/img/manifests/${reference}`));
      const statuses = (await Promise.all(twice)).map(({ status }) => status);
      assert.deepEqual(statuses.sort(), [202, 404], reference);
    }
    const list = await exchange(registry, "GET", "/v2/img/tags/list");
    assert.deepEqual(JSON.parse(list.body.toString()).tags, []);
  });

  test(`${place}: a mount of what is not there begins an upload`, async () => {
    await using registry = await openRegistry(place);
    const answer = await exchange(
      registry,
      "POST",
      `/v2/t/blobs/uploads/?mount=${sha256("no")}&from=nowhere`,
    );
    assert.equal(answer.status, 202);
    assert.match(answer.headers["location"] ?? "", /^\/v2\/t\/blobs\/uploads\/[0-9a-f-]+$/);
  });

  test(`${place}: a manifest is read by tag and digest, byte for byte, with its media type`, async () => {
    await using registry = await openRegistry(place);
    const digest = await pushImage(registry, "img", "v1");
    for (const reference of ["v1", digest]) {
      const answer = await exchange(registry, "GET", `/v2/img/manifests/${reference}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.toString(), manifestOf("{}", ["layer"]));
      assert.equal(answer.headers["content-type"], MediaType.manifest);
      assert.equal(answer.headers["docker-content-digest"], digest);
    }
    const head = await exchange(registry, "HEAD", "/v2/img/manifests/v1");
    assert.deepEqual([head.status, head.body.length], [200, 0]);
  });

  test(`${place}: a manifest under its sha512 digest, with tags given as parameters`, async () => {
    await using registry = await openRegistry(place);
    for (const blob of ["{}", "layer"]) await pushBlob(registry, "img", blob);
    const body = manifestOf("{}", ["layer"]);
    const digest = `sha512:${createHash("sha512").update(body).digest("hex")}`;
    const headers = { "content-type": MediaType.manifest };
    const answer = await exchange(registry, "PUT", `/v2/img/manifests/${digest}?tag=a&tag=b`, {
      headers,
      body,
    });
    assert.deepEqual([answer.status, answer.headers["oci-tag"]], [201, "a, b"]);
    const tagged = await exchange(registry, "GET", "/v2/img/manifests/b");
    assert.equal(tagged.headers["docker-content-digest"], digest);
  });

  for (const [what, reference, body, status, code] of [
    ["a missing layer", "v1", manifestOf("{}", ["missing"]), 400, "MANIFEST_BLOB_UNKNOWN"],
    ["a missing config", "v1", manifestOf("{missing}", []), 400, "MANIFEST_BLOB_UNKNOWN"],
    ["no JSON", "v1", "not json", 400, "MANIFEST_INVALID"],
    ["a list", "v1", "[]", 400, "MANIFEST_INVALID"],
    ["both kinds at once", "v1", manifestOf("{}", [], { manifests: [] }), 400, "MANIFEST_INVALID"],
    [
      "another type inside than outside",
      "v1",
      manifestOf("{}", [], { mediaType: MediaType.index }),
      400,
      "MANIFEST_INVALID",
    ],
    ["a digest that is not its own", sha256("another"), manifestOf("{}", []), 400, "DIGEST_INVALID"],
    ["a tag that is none", ".hidden", manifestOf("{}", []), 400, "MANIFEST_INVALID"],
    [
      "more than 4 MiB",
      "v1",
      manifestOf("{}", [], { filler: "x".repeat(4 * 1024 * 1024) }),
      413,
      "MANIFEST_INVALID",
    ],
    [
      "a layer of another size",
      "v1",
      manifestOf("{}", ["layer"]).replace('"size":5', '"size":6'),
      400,
      "SIZE_INVALID",
    ],
  ] as const) {
    test(`${place}: a manifest with ${what} is refused, and no tag is set`, async () => {
      await using registry = await openRegistry(place);
      for (const blob of ["{}", "layer"]) await pushBlob(registry, "img", blob);
      const headers = { "content-type": MediaType.manifest };
      const answer = await exchange(registry, "PUT", `/v2/img/manifests/${reference}`, { headers, body });
      assert.deepEqual([answer.status, answer.errors], [status, [code]]);
      assert.equal((await exchange(registry, "GET", `/v2/img/manifests/${sha256(body)}`)).status, 404);
      assert.deepEqual(
        JSON.parse(String((await exchange(registry, "GET", "/v2/img/tags/list")).body)).tags,
        [],
      );
    });
  }

  test(`${place}: what is allowed to be missing: a foreign layer, the subject, an index's manifest`, async () => {
    await using registry = await openRegistry(place);
    await pushBlob(registry, "img", "{}");
    const foreign = { ...JSON.parse(manifestOf("{}", ["far away"])) };
    foreign.layers[0].mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    const entry = { mediaType: MediaType.manifest, digest: sha256("absent"), size: 6 };
    for (const manifest of [
      foreign,
      { ...JSON.parse(manifestOf("{}", [])), subject: entry },
      { schemaVersion: 2, mediaType: MediaType.index, manifests: [entry] },
    ]) {
      const headers = { "content-type": manifest.mediaType };
      const answer = await exchange(registry, "PUT", "/v2/img/manifests/v1", {
        headers,
        body: JSON.stringify(manifest),
      });
      assert.equal(answer.status, 201);
    }
  });
}
