import assert from "node:assert/strict";
import { test } from "node:test";
import { MediaType } from "../../src/oci/index.ts";
import { exchange, openRegistry, PLACES, pushBlob, pushImage, sha256 } from "./exchange.ts";

for (const place of PLACES) {
  test(`${place}: tags come sorted, in pages that lead to each other`, async () => {
    await using registry = await openRegistry(place);
    for (const tag of ["b", "a", "C", "v1.10", "v1.9"]) await pushImage(registry, "t", tag);
    const seen: string[][] = [];
    for (let path: string | undefined = "/v2/t/tags/list?n=2"; path !== undefined; ) {
      const answer = await exchange(registry, "GET", path);
      const { name, tags } = JSON.parse(answer.body.toString());
      assert.equal(name, "t");
      seen.push(tags);
      path = /^<([^>]+)>; rel="next"$/.exec(answer.headers["link"] ?? "")?.[1];
    }
    assert.deepEqual(seen, [["C", "a"], ["b", "v1.10"], ["v1.9"]]);
    for (const [query, expected] of [
      ["n=0", []],
      ["last=b", ["v1.10", "v1.9"]],
      ["n=1&last=v1.9", []],
    ] as const) {
      const answer = await exchange(registry, "GET", `/v2/t/tags/list?${query}`);
      assert.deepEqual(JSON.parse(answer.body.toString()).tags, expected);
    }
    assert.equal((await exchange(registry, "GET", "/v2/t/tags/list?n=-1")).status, 400);
    assert.deepEqual((await exchange(registry, "GET", "/v2/nobody/tags/list")).errors, ["NAME_UNKNOWN"]);
  });

  test(`${place}: of thirty pushes at once, to one repository, none is lost`, async () => {
    await using registry = await openRegistry(place);
    const tags = Array.from({ length: 30 }, (_, i) => `t${String(i).padStart(2, "0")}`);
    const digests = await Promise.all(
      tags.map((tag) => pushImage(registry, "p", tag, { annotations: { tag } })),
    );
    const list = await exchange(registry, "GET", "/v2/p/tags/list");
    assert.deepEqual(JSON.parse(list.body.toString()).tags, tags);
    for (const [i, tag] of tags.entries()) {
      const answer = await exchange(registry, "HEAD", `/v2/p/manifests/${tag}`);
      assert.equal(answer.headers["docker-content-digest"], digests[i]);
    }
  });

  test(`${place}: the catalog lists repositories, nested ones as well`, async () => {
    await using registry = await openRegistry(place);
    for (const name of ["b", "a/b", "a", "a-b"]) await pushBlob(registry, name, "x");
    const answer = await exchange(registry, "GET", "/v2/_catalog");
    assert.deepEqual(JSON.parse(answer.body.toString()).repositories, ["a", "a-b", "a/b", "b"]);
  });

  test(`${place}: deleting a tag leaves the manifest; deleting the manifest takes its tags`, async () => {
    await using registry = await openRegistry(place);
    const digest = await pushImage(registry, "d", "one");
    await pushImage(registry, "d", "two");
    await pushImage(registry, "d", "other", { annotations: { a: "b" } });
    assert.equal((await exchange(registry, "DELETE", "/v2/d/manifests/one")).status, 202);
    assert.equal((await exchange(registry, "GET", "/v2/d/manifests/one")).status, 404);
    assert.equal((await exchange(registry, "GET", `/v2/d/manifests/${digest}`)).status, 200);
    assert.equal((await exchange(registry, "DELETE", `/v2/d/manifests/${digest}`)).status, 202);
    for (const gone of ["two", digest]) {
      assert.deepEqual((await exchange(registry, "GET", `/v2/d/manifests/${gone}`)).errors, [
        "MANIFEST_UNKNOWN",
      ]);
    }
    const { tags } = JSON.parse((await exchange(registry, "GET", "/v2/d/tags/list")).body.toString());
    assert.deepEqual(tags, ["other"]);
    assert.equal((await exchange(registry, "DELETE", `/v2/d/manifests/${digest}`)).status, 404);
  });

  test(`${place}: referrers of a subject, also of one that is not there, filtered by type`, async () => {
    await using registry = await openRegistry(place);
    const subject = { mediaType: MediaType.manifest, digest: sha256("subject"), size: 7 };
    const path = `/v2/r/referrers/${subject.digest}`;
    const list = async (query = ""): Promise<{ digest: string; artifactType: string }[]> =>
      JSON.parse((await exchange(registry, "GET", `${path}${query}`)).body.toString()).manifests;
    assert.deepEqual(await list(), []);
    const sbom = await pushImage(registry, "r", "", {
      subject,
      artifactType: "a/sbom",
      annotations: { k: "v" },
    });
    const plain = await pushImage(registry, "r", "", { subject });
    assert.deepEqual((await list()).map((d) => d.digest).sort(), [sbom, plain].sort());
    const filtered = await exchange(registry, "GET", `${path}?artifactType=a/sbom`);
    assert.equal(filtered.headers["oci-filters-applied"], "artifactType");
    assert.equal(filtered.headers["content-type"], MediaType.index);
    const [only, ...others] = JSON.parse(filtered.body.toString()).manifests;
    assert.deepEqual([only.digest, only.annotations, others], [sbom, { k: "v" }, []]);
    assert.equal((await list("?artifactType=application/vnd.oci.image.config.v1%2Bjson"))[0]?.digest, plain);
    await exchange(registry, "DELETE", `/v2/r/manifests/${sbom}`);
    assert.deepEqual(
      (await list()).map((d) => d.digest),
      [plain],
    );
    assert.deepEqual((await exchange(registry, "GET", "/v2/r/referrers/latest")).errors, ["DIGEST_INVALID"]);
  });
}

test("a read-only registry answers reads and refuses every change", async () => {
  await using registry = await openRegistry("memory", { readOnly: true });
  assert.equal((await exchange(registry, "GET", "/v2/")).status, 200);
  for (const [method, path] of [
    ["POST", "/v2/a/blobs/uploads/"],
    ["PUT", "/v2/a/manifests/v1"],
    ["DELETE", "/v2/a/manifests/v1"],
    ["DELETE", `/v2/a/blobs/${sha256("x")}`],
  ] as const) {
    const answer = await exchange(registry, method, path);
    assert.deepEqual([answer.status, answer.errors], [403, ["DENIED"]]);
  }
});

test("a method that a path does not have is told, with those that it has", async () => {
  await using registry = await openRegistry("memory");
  const answer = await exchange(registry, "PATCH", "/v2/a/manifests/v1");
  assert.deepEqual(
    [answer.status, answer.errors, answer.headers["allow"]],
    [405, ["UNSUPPORTED"], "GET, HEAD, PUT, DELETE"],
  );
  assert.equal((await exchange(registry, "constructor", "/v2/a/manifests/v1")).status, 405);
});

for (const name of [
  "A",
  "a//b",
  "a/",
  "../a",
  "a/../../b",
  "a/_layout",
  "_uploads",
  "a%2F..%2Fb",
  "%2e%2e",
  "a\\b",
  "a b",
  "a%00b",
  "-a",
  "a__b___c",
  `${"a".repeat(256)}`,
]) {
  test(`not a repository's name: ${name.slice(0, 30)}`, async () => {
    await using registry = await openRegistry("memory");
    const answer = await exchange(registry, "POST", `/v2/${name}/blobs/uploads/`);
    assert.deepEqual([answer.status, answer.errors], [400, ["NAME_INVALID"]]);
  });
}
