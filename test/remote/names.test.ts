import assert from "node:assert/strict";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { codeOf, gather } from "../contract/store.ts";
import { peer, refuse, reply } from "./peer.ts";

const call = quietCall();
const d = { mediaType: MediaType.layerTar, digest: digestOf(Buffer.from("blob")), size: 4 };

test("tags: all pages, in order", async () => {
  await using registry = await peer((seen, response) => {
    const last = new URL(seen.path, "http://x").searchParams.get("last");
    const link = '</v2/a/b/tags/list?n=2&last=c>; rel="next"';
    if (last === null) reply(response, 200, { link }, '{"name":"a/b","tags":["b","c"]}');
    else reply(response, 200, {}, '{"tags":["a","Z"]}');
  });
  assert.deepEqual(await gather(registry.open().can.tags?.list(call)), ["Z", "a", "b", "c"]);
});

const pages: readonly [string, Record<string, string>, string, string][] = [
  [
    "the next page elsewhere",
    { link: '<http://evil.example/>; rel="next"' },
    '{"tags":[]}',
    "registry-error",
  ],
  ["a circle", { link: '<?n=1000>; rel="next"' }, '{"tags":[]}', "registry-error"],
  ["not JSON", {}, "<html>", "registry-error"],
  ["not tags", {}, '{"tags":["ok","\\u001b[31m"]}', "registry-error"],
  ["tags that are no list", {}, '{"tags":{}}', "registry-error"],
];
for (const [name, headers, body, code] of pages) {
  test(`tags: ${name}: ${code}`, async () => {
    await using registry = await peer((_seen, response) => reply(response, 200, headers, body));
    assert.equal(await codeOf(gather(registry.open().can.tags?.list(call))), code);
  });
}

test("tags: more than any repository has, on pages that have no end: registry-error", async () => {
  let page = 0;
  await using registry = await peer((_seen, response) => {
    const first = page++ * 300_000;
    const tags = Array.from({ length: 300_000 }, (_, i) => (first + i).toString(36));
    reply(response, 200, { link: `<?last=${page}>; rel="next"` }, JSON.stringify({ tags }));
  });
  assert.equal(await codeOf(gather(registry.open().can.tags?.list(call))), "registry-error");
  assert.equal(page, 4);
});

test("tags: small in number, on pages that are large together: registry-error", async () => {
  const page = JSON.stringify({ tags: [], padding: "x".repeat(30_000_000) });
  await using registry = await peer((seen, response) => {
    const next = Number(new URL(seen.path, "http://x").searchParams.get("last")) + 1;
    reply(response, 200, next < 6 ? { link: `<?last=${next}>; rel="next"` } : {}, page);
  });
  assert.equal(await codeOf(gather(registry.open().can.tags?.list(call))), "registry-error");
  assert.equal(registry.seen.length, 5);
});

test("tags: none", async () => {
  await using registry = await peer((_seen, response) => reply(response, 200, {}, '{"tags":null}'));
  assert.deepEqual(await gather(registry.open().can.tags?.list(call)), []);
});

test("delete: not every registry lets you", async () => {
  for (const code of [405, 400]) {
    await using registry = await peer((_seen, response) => refuse(response, code, "UNSUPPORTED"));
    const { delete: deletes } = registry.open().can;
    assert.equal(await codeOf(Promise.resolve(deletes?.untag("v1", call))), "unsupported");
    assert.equal(await codeOf(Promise.resolve(deletes?.delete(d, call))), "unsupported");
    assert.deepEqual(
      registry.seen.map((s) => `${s.method} ${s.path}`),
      ["DELETE /v2/a/b/manifests/v1", `DELETE /v2/a/b/blobs/${d.digest}`],
    );
  }
});

test("mount: 201 is taken, 202 is none; another registry's is not asked for", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.path.includes("from=x%2Fy")) return reply(response, 201);
    if (seen.method === "POST") return reply(response, 202, { location: "/up/1" });
    reply(response, 204);
  });
  await using store = registry.open();
  const from = (repository: string, host = registry.host): Store =>
    openRemote({ registry: host, repository }, registry.options);
  const { mount } = store.can;
  assert.equal(await mount?.mount(d, from("x/y"), call), true);
  assert.equal(await mount?.mount(d, from("x/z"), call), false);
  assert.equal(await mount?.mount(d, from("x/y", "localhost:1"), call), false);
  assert.deepEqual(
    registry.seen.map((s) => `${s.method} ${s.path}`),
    ["x%2Fy", "x%2Fz"].map(
      (name) => `POST /v2/a/b/blobs/uploads/?mount=${encodeURIComponent(d.digest)}&from=${name}`,
    ),
  );
});

test("mount: every upload that was opened in its place and not used is deleted; one without a place is no error", async () => {
  let opened = 0;
  await using registry = await peer((seen, response) => {
    if (seen.path.includes("from=nowhere")) return reply(response, 202);
    if (seen.method === "POST") return reply(response, 202, { location: `/up/${++opened}` });
    reply(response, 204);
  });
  const other = { mediaType: MediaType.layerTar, digest: digestOf(Buffer.from("other")), size: 5 };
  const from = (repository: string): Store =>
    openRemote({ registry: registry.host, repository }, registry.options);
  const store = registry.open();
  const { mount } = store.can;
  for (const name of ["x/y", "x/z"]) assert.equal(await mount?.mount(d, from(name), call), false);
  assert.equal(await mount?.mount(other, from("nowhere"), call), false);
  await store[Symbol.asyncDispose]();
  const deleted = registry.seen.filter((s) => s.method === "DELETE").map((s) => s.path);
  assert.deepEqual(deleted.sort(), ["/up/1", "/up/2"]);
});
