import assert from "node:assert/strict";
import { test } from "node:test";
import { MANIFEST_LIMIT, MediaType } from "../../src/oci/index.ts";
import { exchange, manifestOf, openRegistry, PLACES, pushBlob, sha256 } from "./exchange.ts";

const SUBJECT = { mediaType: MediaType.manifest, digest: sha256("subject"), size: 7 };
const TYPE = "application/vnd.test+type";

/** Pushes a manifest that refers to the subject. */
async function refer(
  registry: Parameters<typeof exchange>[0],
  n: number,
  annotations: number,
  more: object = {},
): Promise<string> {
  const text = "x".repeat(annotations);
  const body = manifestOf("{}", [], {
    subject: SUBJECT,
    artifactType: n % 2 === 0 ? TYPE : "other/type",
    annotations: { n: String(n), text },
    ...more,
  });
  const put = await exchange(registry, "PUT", `/v2/a/manifests/${sha256(body)}`, {
    headers: { "content-type": MediaType.manifest },
    body,
  });
  assert.deepEqual([put.status, put.headers["oci-subject"]], [201, SUBJECT.digest]);
  return sha256(body);
}

for (const place of PLACES) {
  for (const type of [undefined, TYPE]) {
    test(`${place}: a long list of referrers${type ? " of one type" : ""} comes in pages of less than 4 MiB, each once`, async () => {
      await using registry = await openRegistry(place);
      await pushBlob(registry, "a", "{}");
      const pushed: string[] = [];
      for (let n = 0; n < 6; n++) {
        const digest = await refer(registry, n, 1_500_000);
        if (type === undefined || n % 2 === 0) pushed.push(digest);
      }
      const listed: string[] = [];
      let pages = 0;
      const first = `/v2/a/referrers/${SUBJECT.digest}${type ? `?artifactType=${encodeURIComponent(type)}` : ""}`;
      for (let next: string | undefined = first; next !== undefined; pages++) {
        const { status, body, headers } = await exchange(registry, "GET", next);
        assert.equal(status, 200);
        assert.ok(body.length <= MANIFEST_LIMIT);
        assert.equal(headers["oci-filters-applied"], type && "artifactType");
        for (const { digest } of JSON.parse(body.toString()).manifests) listed.push(digest);
        next = /^<(.*)>; rel="next"$/.exec(headers["link"] ?? "")?.[1];
      }
      assert.deepEqual(listed, pushed.sort());
      assert.equal(pages, type === undefined ? 3 : 2);
    });
  }

  test(`${place}: annotations that fit into no list are left out of it`, async () => {
    await using registry = await openRegistry(place);
    await pushBlob(registry, "a", "{}");
    const digest = await refer(registry, 0, MANIFEST_LIMIT - 700);
    const { body } = await exchange(registry, "GET", `/v2/a/referrers/${SUBJECT.digest}`);
    const [only] = JSON.parse(body.toString()).manifests;
    assert.deepEqual([only.digest, only.artifactType, only.annotations], [digest, TYPE, undefined]);
  });

  for (const last of ["v1", "sha256:12", "../.."]) {
    test(`${place}: a list of referrers after ${last} is none`, async () => {
      await using registry = await openRegistry(place);
      const { status, errors } = await exchange(
        registry,
        "GET",
        `/v2/a/referrers/${SUBJECT.digest}?last=${encodeURIComponent(last)}`,
      );
      assert.deepEqual([status, errors], [400, ["UNSUPPORTED"]]);
    });
  }
}
