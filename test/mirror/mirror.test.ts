import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { collect, fromBytes, request } from "../../src/base/index.ts";
import { TagLists } from "../../src/mirror/tag-lists.ts";
import { type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";
import { collectFolder } from "../../src/registry/index.ts";
import { codeOf, gather, layerOf, putImage, someBytes } from "../contract/store.ts";
import { peer, reply } from "../remote/peer.ts";
import { ALONE, call, folder, type Watched, watched } from "./watched.ts";

async function bytesOf(store: Store, d: Descriptor): Promise<Buffer> {
  return Buffer.from(await collect(store.read(d, call), 64 * 1024 * 1024, "it"));
}

/** One request to a registry, answer and all. */
async function ask(
  at: Watched,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: ReadonlyMap<string, string>; body: string }> {
  const answer = await request({ method: "GET", url: new URL(path, at.url), headers }, call);
  const body = Buffer.from(await collect(answer.body, 1_000_000, "the answer")).toString("latin1");
  return { status: answer.status, headers: answer.headers, body };
}

async function pushed(at: Watched, repository: string, tag: string, seed = 1): Promise<Descriptor> {
  const store = at.open(repository);
  const d = await putImage(store, seed);
  await store.tag(tag, d, call);
  at.asked.length = 0;
  return d;
}

for (const place of ["memory", "a folder"] as const) {
  test(`a mirror over ${place} fetches what it does not have, once`, async () => {
    await using at = await folder();
    await using upstream = await watched();
    const d = await pushed(upstream, "team/app", "v1");
    await using mirror = await watched({
      ...(place === "memory" ? {} : { dir: at.dir }),
      mirror: { upstreams: [upstream.host] },
    });
    const store = mirror.open("team/app");
    const layer = JSON.parse((await bytesOf(store, await store.resolve("v1", call))).toString())
      .layers[0] as Descriptor;
    const first = await bytesOf(store, layer);
    assert.deepEqual(first, await bytesOf(upstream.open("team/app"), layer));
    upstream.asked.length = 0;
    assert.deepEqual(await store.resolve("v1", call), d);
    assert.deepEqual(await store.resolve(d.digest, call), d);
    assert.deepEqual(await bytesOf(store, layer), first);
    assert.deepEqual(upstream.asked, []);
    const metrics = (await ask(mirror, "/metrics")).body;
    // The second reader may have come before the first one's bytes were kept.
    const reads = [...metrics.matchAll(/^imgvol_mirror_blob_reads_total\{from="\w+"\} (\d)$/gm)];
    assert.equal(
      reads.reduce((sum, [, n]) => sum + Number(n), 0),
      2,
    );
    assert.match(metrics, new RegExp(`^imgvol_mirror_fetched_bytes_total ${layer.size}$`, "m"));
    assert.match(metrics, /^imgvol_mirror_stale_answers_total 0$/m);
    assert.match(metrics, /^imgvol_mirror_cache_bytes [1-9]\d+$/m);
  });
}

test("what a pull asks of the upstream, each once", async () => {
  await using upstream = await watched();
  const d = await pushed(upstream, "team/app", "v1");
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const store = mirror.open("team/app");
  const manifest = JSON.parse((await bytesOf(store, await store.resolve("v1", call))).toString());
  for (const blob of [manifest.config, ...manifest.layers]) await bytesOf(store, blob);
  const blobs = [manifest.config, ...manifest.layers].map((b: Descriptor) => b.digest);
  assert.deepEqual([...upstream.asked].sort(), [
    ...blobs.map((b) => `GET /v2/team/app/blobs/${b}`).sort(),
    `GET /v2/team/app/manifests/${d.digest}`,
    ...blobs.map((b) => `HEAD /v2/team/app/blobs/${b}`).sort(),
    "HEAD /v2/team/app/manifests/v1",
  ]);
});

test("which upstream: by ?ns=, by the first part of the name, or the first", async () => {
  await using one = await watched();
  await using two = await watched();
  const first = await pushed(one, "team/app", "v1", 1);
  const second = await pushed(two, "team/app", "v1", 2);
  await using mirror = await watched({ mirror: { upstreams: [one.host, `http://${two.host}`] } });
  const folderOf = (host: string): string => host.replace(":", "_");
  const cases: readonly [path: string, digest: string | undefined][] = [
    ["/v2/team/app/manifests/v1", first.digest],
    [`/v2/team/app/manifests/v1?ns=${one.host}`, first.digest],
    [`/v2/team/app/manifests/v1?ns=${encodeURIComponent(two.host)}`, second.digest],
    [`/v2/${folderOf(two.host)}/team/app/manifests/v1`, second.digest],
    [`/v2/${folderOf(one.host)}/team/app/manifests/v1`, first.digest],
    ["/v2/team/app/manifests/v1?ns=registry.example", undefined],
  ];
  for (const [path, digest] of cases) {
    const answer = await ask(mirror, path);
    assert.equal(answer.headers.get("docker-content-digest"), digest, path);
    assert.equal(answer.status, digest === undefined ? 404 : 200, path);
  }
  const names = JSON.parse((await ask(mirror, "/v2/_catalog")).body).repositories;
  assert.deepEqual(names, [`${folderOf(one.host)}/team/app`, `${folderOf(two.host)}/team/app`].sort());
});

test("nothing can be pushed to a mirror or deleted from it", async () => {
  await using upstream = await watched();
  const d = await pushed(upstream, "team/app", "v1");
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const store = mirror.open("team/app");
  const bytes = someBytes(100);
  assert.equal(await codeOf(store.put(layerOf(bytes), fromBytes(bytes), call)), "denied");
  assert.equal(await codeOf(store.tag("v2", d, call)), "denied");
  await assert.rejects(store.tag("v2", d, call), { hint: /no login helps/ });
  assert.equal(await codeOf(Promise.resolve(store.can.delete?.delete(d, call))), "denied");
  assert.equal(await codeOf(upstream.open("team/app").resolve("v2", call)), "not-found");
});

test("a tag is believed for a while; then the upstream is asked again, and its new word counts", async () => {
  await using upstream = await watched();
  const before = await pushed(upstream, "team/app", "v1", 1);
  await using patient = await watched({ mirror: { upstreams: [upstream.host], freshFor: 3_600_000 } });
  await using eager = await watched({ mirror: { upstreams: [upstream.host], freshFor: 0 } });
  for (const mirror of [patient, eager]) {
    assert.equal((await mirror.open("team/app").resolve("v1", call)).digest, before.digest);
  }
  const after = await pushed(upstream, "team/app", "v1", 2);
  assert.equal((await patient.open("team/app").resolve("v1", call)).digest, before.digest);
  assert.equal((await eager.open("team/app").resolve("v1", call)).digest, after.digest);
  await upstream.open("team/app").can.delete?.untag("v1", call);
  assert.equal(await codeOf(eager.open("team/app").resolve("v1", call)), "not-found");
  assert.equal((await eager.open("team/app").resolve(before.digest, call)).digest, before.digest);
});

test("an upstream that is down: what is here is served, with a warning; after a restart too", async () => {
  await using at = await folder();
  const upstream = await watched({ address: ALONE });
  const d = await pushed(upstream, "team/app", "v1");
  const options = { dir: at.dir, mirror: { upstreams: [upstream.host], freshFor: 0 } };
  {
    await using mirror = await watched(options);
    const store = mirror.open("team/app");
    const { config } = JSON.parse((await bytesOf(store, await store.resolve("v1", call))).toString());
    await bytesOf(store, config);
    await upstream[Symbol.asyncDispose]();
    const stale = await ask(mirror, "/v2/team/app/manifests/v1");
    assert.equal(stale.headers.get("docker-content-digest"), d.digest);
    assert.match(stale.headers.get("warning") ?? "", /^299 - "127.*v1 may be out of date.*"$/);
    assert.ok(mirror.said.some((s) => s.includes("is served as it was")));
    assert.equal((await ask(mirror, `/v2/team/app/manifests/${d.digest}`)).headers.get("warning"), undefined);
    const tags = await ask(mirror, "/v2/team/app/tags/list");
    assert.deepEqual(JSON.parse(tags.body).tags, ["v1"]);
    assert.match(tags.headers.get("warning") ?? "", /tags/);
  }
  for (const record of ["kept", "lost", "damaged"]) {
    if (record === "lost") await rm(join(at.dir, "_mirror.db"));
    if (record === "damaged") await writeFile(join(at.dir, "_mirror.db"), Buffer.alloc(8192, "damage"));
    await using again = await watched(options);
    assert.equal((await again.open("team/app").resolve("v1", call)).digest, d.digest);
    const missing = await ask(again, "/v2/team/app/manifests/v2");
    assert.equal(missing.status, 502);
    assert.match(missing.body, /nothing listens/);
  }
  // It is a registry like any other.
  await using plain = await watched({ dir: at.dir });
  const name = `${upstream.host.replace(":", "_")}/team/app`;
  assert.equal((await plain.open(name).resolve("v1", call)).digest, d.digest);
});

test("what an upstream that is down cannot give is told once, until it gives something again", async () => {
  let down = true;
  await using upstream = await peer((_seen, response) => reply(response, down ? 503 : 404));
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const name = `${upstream.host.replace(":", "_")}/team/app`;
  const told = (): string[] => mirror.said.filter((line) => line.includes("cannot be given"));
  for (const what of ["manifests/v1", "manifests/v1", `blobs/sha256:${"0".repeat(64)}`]) {
    assert.equal((await ask(mirror, `/v2/team/app/${what}`)).status, 502);
  }
  assert.deepEqual(
    told().map((line) => line.split(" cannot")[0]),
    [`${name}:v1`, `${name}@sha256:${"0".repeat(64)}`],
  );
  assert.match(told()[0] ?? "", /: .*503/);
  down = false;
  assert.equal((await ask(mirror, "/v2/team/app/manifests/v1")).status, 404);
  down = true;
  assert.equal((await ask(mirror, "/v2/team/app/manifests/v1")).status, 502);
  assert.equal(told().length, 3);
});

test("what lies in a mirror's folder and is no upstream's is named at its start; gc says that it leaves all alone", async () => {
  await using at = await folder();
  {
    await using before = await watched({ dir: at.dir });
    await pushed(before, "team/app", "v1");
    await pushed(before, "tools", "v1", 2);
  }
  await using upstream = await watched();
  await using mirror = await watched({ dir: at.dir, mirror: { upstreams: [upstream.host] } });
  const [warning = "", ...more] = mirror.said;
  assert.deepEqual(more, []);
  assert.match(warning, /^warning: .* 2 repositories of .* cannot be pulled meanwhile \(team\/app, tools\)$/);
  const { bytes, findings } = await collectFolder(at.dir, { grace: 0 }, call);
  assert.deepEqual(
    [bytes, findings.map(({ code, severity }) => [code, severity])],
    [0, [["gc-mirror", "note"]]],
  );
});

test("the tags of an upstream that is down: all that it had, after a restart too; else what is here, and it says so", async () => {
  await using at = await folder();
  const upstream = await watched({ address: ALONE });
  await pushed(upstream, "team/app", "v1");
  await pushed(upstream, "team/app", "v2", 2);
  await pushed(upstream, "team/other", "v1", 3);
  await pushed(upstream, "team/other", "v2", 4);
  const options = { dir: at.dir, mirror: { upstreams: [upstream.host], freshFor: 0 } };
  const path = (name: string, query = ""): string => `/v2/team/${name}/tags/list${query}`;
  const tagsOf = ({ body }: { body: string }): unknown => JSON.parse(body).tags;
  {
    await using mirror = await watched(options);
    for (const name of ["app", "other"]) await mirror.open(`team/${name}`).resolve("v1", call);
    const all = await ask(mirror, path("app"));
    assert.deepEqual([tagsOf(all), all.headers.get("warning")], [["v1", "v2"], undefined]);
    // What it gave last counts.
    await pushed(upstream, "team/app", "v3", 5);
    await ask(mirror, path("app", "?n=1"));
  }
  await upstream[Symbol.asyncDispose]();
  await using again = await watched(options);
  const app = await ask(again, path("app"));
  assert.deepEqual(tagsOf(app), ["v1", "v2", "v3"]);
  assert.match(app.headers.get("warning") ?? "", /^299 - "the list of tags of \S+app may be out of date/);
  assert.deepEqual(tagsOf(await ask(again, path("app", "?n=1&last=v1"))), ["v2"]);
  const other = await ask(again, path("other"));
  assert.deepEqual(tagsOf(other), ["v1"]);
  assert.match(other.headers.get("warning") ?? "", /^299 - "the list of tags of \S+other is partial/);
  assert.ok(again.said.some((s) => /other has only what is kept here: /.test(s)));
  assert.equal((await ask(again, path("never"))).status, 502);
});

test("the lists of tags that a mirror keeps are bounded: the oldest goes, the longest does not come", async () => {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(":memory:");
  database.exec(TagLists.schema);
  const size = 1 + "v1\nv2".length;
  const lists = new TagLists(database, 2 * size);
  for (const name of ["a", "b"]) lists.set(name, ["v1", "v2"]);
  lists.set("a", ["v1", "v2"]);
  lists.set("c", ["v1", "v2"]);
  assert.deepEqual(
    ["a", "b", "c"].map((name) => lists.get(name)?.length),
    [undefined, 2, 2],
  );
  lists.set("b", []);
  assert.deepEqual(lists.get("b"), []);
  lists.set("c", Array(200_000).fill("v10000"));
  assert.equal(lists.get("c"), undefined);
  // The limit is kept after a restart, too.
  const reopened = new TagLists(database, 2 * size);
  for (const name of ["d", "e", "f"]) reopened.set(name, ["v1", "v2"]);
  assert.deepEqual(
    ["b", "d", "e", "f"].map((name) => reopened.get(name)?.length),
    [undefined, undefined, 2, 2],
  );
  database.close();
});

test("ranges: of what is here, and of what is not", async () => {
  await using upstream = await watched();
  const bytes = someBytes(1_000_000, 3);
  const layer = layerOf(bytes);
  await upstream.open("a/b").put(layer, fromBytes(bytes), call);
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  for (let i = 0; i < 2; i++) {
    const part = await ask(mirror, `/v2/a/b/blobs/${layer.digest}`, { range: "bytes=600000-600009" });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), "bytes 600000-600009/1000000");
    assert.deepEqual(Buffer.from(part.body, "latin1"), Buffer.from(bytes.subarray(600_000, 600_010)));
  }
  assert.equal(upstream.asked.filter((line) => line.startsWith("GET")).length, 1);
});

test("the cache keeps to its limit: the least recently used goes, what was used stays, also over a restart", async () => {
  await using at = await folder();
  await using upstream = await watched();
  const blobs = [1, 2, 3, 4, 5].map((seed) => someBytes(100_000, seed));
  const layers = blobs.map(layerOf);
  for (const bytes of blobs) await upstream.open("a/b").put(layerOf(bytes), fromBytes(bytes), call);
  const options = { dir: at.dir, mirror: { upstreams: [upstream.host], cacheSize: 300_000 } };
  const [one, two, three, four, five] = layers as [
    Descriptor,
    Descriptor,
    Descriptor,
    Descriptor,
    Descriptor,
  ];
  // Each time by a mirror of its own: when it has ended, what it read is kept.
  const fetched = async (d: Descriptor): Promise<number> => {
    upstream.asked.length = 0;
    await using mirror = await watched(options);
    await bytesOf(mirror.open("a/b"), d);
    return upstream.asked.filter((line) => line.startsWith("GET")).length;
  };
  for (const d of [one, two, three]) assert.equal(await fetched(d), 1);
  assert.equal(await fetched(one), 0);
  assert.equal(await fetched(four), 1);
  assert.equal(await fetched(one), 0);
  assert.equal(await fetched(five), 1);
  assert.equal(await fetched(one), 0);
  const here = await readdir(join(at.dir, upstream.host.replace(":", "_"), "a/b/_layout/blobs/sha256"));
  assert.deepEqual(here.sort(), [one, four, five].map((d) => d.digest.replace("sha256:", "")).sort());
});

test("a blob larger than the cache passes through, and takes nothing with it", async () => {
  await using at = await folder();
  await using upstream = await watched();
  const [small, large] = [someBytes(1000, 1), someBytes(400_000, 2)];
  for (const bytes of [small, large]) {
    await upstream.open("a/b").put(layerOf(bytes), fromBytes(bytes), call);
  }
  await using mirror = await watched({
    dir: at.dir,
    mirror: { upstreams: [upstream.host], cacheSize: 300_000 },
  });
  const store = mirror.open("a/b");
  for (const bytes of [small, large, large, small]) {
    assert.deepEqual(await bytesOf(store, layerOf(bytes)), Buffer.from(bytes));
    // A reader may have all bytes before the download is over, which another would join.
    while ((await readdir(join(at.dir, "_uploads"))).length > 0) await setTimeout(5);
  }
  assert.equal(upstream.asked.filter((line) => line.startsWith("GET")).length, 3);
});

test("a repository that is damaged keeps nothing else from coming, nor the mirror from its start", async () => {
  await using at = await folder();
  await using upstream = await watched();
  const [old, next] = [someBytes(200_000, 1), someBytes(200_000, 2)];
  await upstream.open("a/old").put(layerOf(old), fromBytes(old), call);
  await upstream.open("a/new").put(layerOf(next), fromBytes(next), call);
  const mirroring = (cacheSize: number): Parameters<typeof watched>[0] => ({
    dir: at.dir,
    mirror: { upstreams: [upstream.host], cacheSize },
  });
  {
    await using mirror = await watched(mirroring(300_000));
    await bytesOf(mirror.open("a/old"), layerOf(old));
  }
  const home = join(upstream.host.replace(":", "_"), "a/old");
  await writeFile(join(at.dir, home, "_layout/index.json"), "{");
  for (const cacheSize of [300_000, 100_000]) {
    await using mirror = await watched(mirroring(cacheSize));
    assert.deepEqual(await bytesOf(mirror.open("a/new"), layerOf(next)), Buffer.from(next));
    const said = mirror.said.filter((sentence) => sentence.startsWith(`no room can be made in ${home}: `));
    assert.equal(said.length, 1, mirror.said.join("\n"));
  }
});

test("referrers come in the order of their digests, by which a long list goes on", async () => {
  const subject = `sha256:${"0".repeat(64)}`;
  const digests = ["c", "a", "b"].map((letter) => `sha256:${letter.repeat(64)}`);
  const manifests = digests.map((digest) => ({ mediaType: MediaType.manifest, digest, size: 2 }));
  const list = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests });
  await using upstream = await peer((_seen, response) => {
    reply(response, 200, { "content-type": MediaType.index }, Buffer.from(list));
  });
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const listed = JSON.parse((await ask(mirror, `/v2/a/b/referrers/${subject}`)).body).manifests;
  assert.deepEqual(
    listed.map((d: Descriptor) => d.digest),
    digests.toSorted(),
  );
});

test("tags and referrers pass through", async () => {
  await using upstream = await watched();
  const d = await pushed(upstream, "team/app", "v1");
  const source = upstream.open("team/app");
  await source.tag("v2", d, call);
  const { config, layers } = JSON.parse((await bytesOf(source, d)).toString());
  const signature = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      artifactType: "application/x",
      config,
      layers,
      subject: d,
    }),
  );
  const referrer = { ...layerOf(signature), mediaType: MediaType.manifest };
  await source.put(referrer, fromBytes(signature), call);
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  assert.deepEqual(await gather(mirror.open("team/app").can.tags?.list(call)), ["v1", "v2"]);
  const listed = JSON.parse((await ask(mirror, `/v2/team/app/referrers/${d.digest}`)).body).manifests;
  assert.deepEqual(
    listed.map((m: Descriptor) => [m.digest, m.artifactType]),
    [[referrer.digest, "application/x"]],
  );
  assert.deepEqual(await bytesOf(mirror.open("team/app"), referrer), signature);
});

test("a mirror needs registries that can be ones, each once", async () => {
  for (const upstreams of [[], ["a b"], ["docker.io", "https://docker.io/"], ["x.example/path"], [""]]) {
    assert.equal(await codeOf(watched({ mirror: { upstreams } })), "upstream-invalid", String(upstreams));
  }
});
