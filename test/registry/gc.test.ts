import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fromBytes, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { type Digest, digestOf, MediaType } from "../../src/oci/index.ts";
import { folderBacking, type GcOptions, type GcReport } from "../../src/registry/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { type Answer, exchange, manifestOf, openRegistry, pushBlob, sha256 } from "./exchange.ts";

type Registry = Awaited<ReturnType<typeof openRegistry>>;

/** Pushes an image whose config and layer no other has. */
async function image(registry: Registry, reference: string, more: object = {}, name = "a"): Promise<Digest> {
  const [config, layer] = [`{"of":"${reference}"}`, `layer of ${reference}`];
  for (const blob of [config, layer]) await pushBlob(registry, name, blob);
  return await put(registry, name, reference, manifestOf(config, [layer], more));
}

async function put(
  registry: Registry,
  name: string,
  reference: string,
  body: string,
  type: string = MediaType.manifest,
): Promise<Digest> {
  const target = `/v2/${name}/manifests/${reference.startsWith("by digest") ? sha256(body) : reference}`;
  const answer = await exchange(registry, "PUT", target, { headers: { "content-type": type }, body });
  assert.equal(answer.status, 201, answer.body.toString());
  return sha256(body);
}

function indexOf(...digests: readonly (readonly [Digest, number])[]): string {
  const manifests = digests.map(([digest, size]) => ({ mediaType: MediaType.manifest, digest, size }));
  return JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests });
}

function subject(digest: Digest): object {
  return { subject: { mediaType: MediaType.manifest, digest, size: 1 } };
}

async function get(registry: Registry, digest: Digest, name = "a"): Promise<Answer> {
  return await exchange(registry, "GET", `/v2/${name}/manifests/${digest}`);
}

function blobPath(root: string, name: string, digest: Digest): string {
  return join(root, name, "_layout", "blobs", ...digest.split(":"));
}

/** The blobs and manifests of a repository, by their digest. */
async function lying(root: string, name = "a"): Promise<string[]> {
  return (await readdir(join(root, name, "_layout", "blobs", "sha256"))).map((hex) => `sha256:${hex}`).sort();
}

/** What of `before` is there no more. */
async function gone(registry: Registry, before: readonly string[]): Promise<string[]> {
  const now: readonly string[] = await lying(registry.root).catch(() => []);
  return before.filter((digest) => !now.includes(digest));
}

function of(reference: string): readonly Digest[] {
  return [sha256(`{"of":"${reference}"}`), sha256(`layer of ${reference}`)];
}

interface State {
  readonly what: string;
  readonly options?: GcOptions;
  /** Makes the state. @returns what is to go */
  make(registry: Registry): Promise<readonly string[]>;
  /** What else is expected of the report. */
  readonly report?: Partial<GcReport["repositories"][number]>;
}

const STATES: readonly State[] = [
  {
    what: "blobs that no manifest names go, tagged images stay",
    async make(registry) {
      await image(registry, "v1");
      return [await pushBlob(registry, "a", "unused"), await pushBlob(registry, "a", "unused, too")];
    },
    report: { manifests: 0, blobs: 2, bytes: 17 },
  },
  {
    what: "what is young stays",
    options: {},
    async make(registry) {
      await pushBlob(registry, "a", "unused");
      return [];
    },
  },
  {
    what: "manifests without a tag stay, with what they need",
    async make(registry) {
      await image(registry, "by digest");
      await image(registry, "moved");
      await put(registry, "a", "moved", manifestOf('{"of":"moved"}', []));
      return [];
    },
  },
  {
    what: "an image that was deleted leaves its blobs behind",
    async make(registry) {
      await exchange(registry, "DELETE", `/v2/a/manifests/${await image(registry, "v1")}`);
      await image(registry, "v2");
      return of("v1");
    },
  },
  {
    what: "manifests without a tag go, with what only they need",
    options: { untagged: true, grace: 0 },
    async make(registry) {
      const bare = await image(registry, "by digest");
      await image(registry, "v1");
      const shared = await put(
        registry,
        "a",
        "by digest 2",
        manifestOf('{"of":"v1"}', ["layer of v1"], { annotations: { a: "b" } }),
      );
      return [bare, ...of("by digest"), shared];
    },
    report: { manifests: 2, blobs: 2 },
  },
  {
    what: "what is below a tagged index stays, however deep, and needs no tag",
    options: { untagged: true, grace: 0 },
    async make(registry) {
      const child = await image(registry, "by digest");
      const index = indexOf(
        [child, 1],
        [sha256("never pushed"), 5],
        [await pushBlob(registry, "a", "no manifest"), 11],
      );
      const inner = await put(registry, "a", "by digest i", index, MediaType.index);
      await put(registry, "a", "v1", indexOf([inner, index.length]), MediaType.index);
      return [];
    },
  },
  {
    what: "referrers of what stays stay, and theirs; referrers of what goes go",
    options: { untagged: true, grace: 0 },
    async make(registry) {
      const signature = await image(registry, "by digest 1", subject(await image(registry, "v1")));
      await image(registry, "by digest 2", subject(signature));
      const bare = await image(registry, "by digest 3");
      const itsSignature = await image(registry, "by digest 4", subject(bare));
      const dangling = await image(registry, "by digest 5", subject(sha256("never pushed")));
      return [bare, itsSignature, dangling, ...of("by digest 3"), ...of("by digest 4"), ...of("by digest 5")];
    },
    report: { manifests: 3, blobs: 6 },
  },
  {
    what: "a layout that another tool wrote has its tags as roots, and no records",
    options: { untagged: true, grace: 0 },
    async make(registry) {
      const call = quietCall();
      await pushBlob(registry, "a", "unused");
      await using layout = await openLayout(join(registry.root, "a", "_layout"), {}, call);
      const config = await layout.ingest(MediaType.config, fromBytes(Buffer.from("{}")), call);
      const manifest = Buffer.from(manifestOf("{}", []));
      const d = { mediaType: MediaType.manifest, digest: digestOf(manifest), size: manifest.length };
      await layout.put(d, fromBytes(manifest), call);
      await layout.tag(
        "theirs",
        await layout.ingest(MediaType.index, fromBytes(Buffer.from(indexOf([d.digest, d.size]))), call),
        call,
      );
      assert.equal(config.size, 2);
      return [sha256("unused")];
    },
  },
  {
    what: "of a repository with nothing that is needed nothing stays",
    options: { untagged: true, grace: 0 },
    make: async (registry) => [await image(registry, "by digest"), ...of("by digest")],
    report: { manifests: 1, blobs: 2, removed: true },
  },
];

for (const { what, options = { grace: 0 }, make, report } of STATES) {
  test(`gc: ${what}`, async () => {
    await using registry = await openRegistry("a folder");
    const expected = [...(await make(registry))].sort();
    const before = await lying(registry.root);
    const said = await registry.collect({ ...options, dryRun: true }, quietCall());
    assert.deepEqual(await gone(registry, before), [], "a dry run takes nothing");
    const done = await registry.collect(options, quietCall());
    assert.deepEqual(await gone(registry, before), expected);
    assert.deepEqual(done.findings, []);
    assert.deepEqual({ ...said, dryRun: false }, done, "a dry run says what goes");
    for (const [key, value] of Object.entries(report ?? {}))
      assert.equal(done.repositories[0]?.[key as keyof typeof report], value, key);
    const again = await registry.collect(options, quietCall());
    assert.deepEqual([again.repositories, again.bytes], [[], 0], "once is enough");
  });
}

const DAMAGES: readonly (readonly [string, (root: string, manifest: Digest) => Promise<void>])[] = [
  ["a manifest is cut", (root, digest) => truncate(blobPath(root, "a", digest), 20)],
  ["a manifest is another", (root, digest) => writeFile(blobPath(root, "a", digest), manifestOf("", []))],
  ["a record is cut", (root, digest) => truncate(join(root, "a", "_manifests", ...digest.split(":")), 20)],
  ["the index is cut", (root) => truncate(join(root, "a", "_layout", "index.json"), 20)],
];

for (const [what, damage] of DAMAGES) {
  for (const untagged of [false, true]) {
    test(`gc: where ${what}, nothing of the repository goes${untagged ? " (untagged)" : ""}, and others are collected`, async () => {
      await using registry = await openRegistry("a folder");
      // Damaged in what is needed, or is looked at to see whether it is.
      const digest = await image(registry, what === "a record is cut" ? "by digest" : "v1");
      await pushBlob(registry, "a", "unused");
      await pushBlob(registry, "b", "unused");
      await damage(registry.root, digest);
      const before = await lying(registry.root);
      const { findings, repositories } = await registry.collect({ grace: 0, untagged }, quietCall());
      if (what === "a record is cut" && !untagged) {
        assert.deepEqual(findings, [], "what its record says is not asked for");
        return;
      }
      assert.deepEqual(await lying(registry.root), before);
      assert.deepEqual(
        findings.map(({ code, subject: name }) => [code, name]),
        [["gc-stopped", "a"]],
      );
      assert.deepEqual(
        repositories.map(({ name, removed }) => [name, removed]),
        [["b", true]],
      );
    });
  }
}

test("gc --untagged: an index that comes after its manifest was collected is refused; after its deletion, taken", async (t) => {
  await using registry = await openRegistry("a folder");
  const child = await image(registry, "by digest");
  const body = indexOf([child, 1]);
  const send = { headers: { "content-type": MediaType.index }, body };
  const emptied = await registry.collect({ grace: 0, untagged: true }, quietCall());
  assert.deepEqual(
    emptied.repositories.map(({ name, removed }) => [name, removed]),
    [["a", true]],
  );
  assert.deepEqual(JSON.parse((await exchange(registry, "GET", "/v2/_catalog")).body.toString()), {
    repositories: [],
  });
  const refused = await exchange(registry, "PUT", "/v2/a/manifests/v1", send);
  assert.deepEqual([refused.status, refused.errors], [400, ["MANIFEST_BLOB_UNKNOWN"]]);
  await image(registry, "by digest");
  assert.equal((await exchange(registry, "PUT", "/v2/a/manifests/v1", send)).status, 201);
  await exchange(registry, "DELETE", `/v2/a/manifests/${child}`);
  assert.equal((await exchange(registry, "PUT", "/v2/a/manifests/v2", send)).status, 201);
  // The sign of what was collected does not stay for ever, and no repository for its sake.
  for (const tag of ["v1", "v2"]) await exchange(registry, "DELETE", `/v2/a/manifests/${tag}`);
  await registry.collect({ grace: 0, untagged: true }, quietCall());
  assert.deepEqual(
    (await readdir(registry.root)).sort(),
    ["_lock", "_uploads", "a"],
    "its sign is there, but no repository",
  );
  assert.equal((await exchange(registry, "GET", "/v2/a/tags/list")).status, 404);
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 25 * 3_600_000 });
  await registry.collect({ grace: 0, untagged: true, dryRun: true }, quietCall());
  assert.equal((await readdir(registry.root)).length, 3);
  await registry.collect({ grace: 0, untagged: true }, quietCall());
  assert.deepEqual((await readdir(registry.root)).sort(), ["_lock", "_uploads"]);
});

test("gc: a manifest that comes after its blobs were collected is refused, and taken when they were pushed again", async () => {
  await using registry = await openRegistry("a folder");
  const blobs = ["{}", "layer"];
  const body = manifestOf("{}", ["layer"]);
  for (const status of [400, 201]) {
    for (const blob of blobs) {
      await pushBlob(registry, "a", blob);
      assert.equal((await exchange(registry, "HEAD", `/v2/a/blobs/${sha256(blob)}`)).status, 200);
    }
    if (status === 400) await registry.collect({ grace: 0 }, quietCall());
    const send = { headers: { "content-type": MediaType.manifest }, body };
    const answer = await exchange(registry, "PUT", "/v2/a/manifests/v1", send);
    assert.deepEqual(
      [answer.status, answer.errors],
      [status, status === 400 ? ["MANIFEST_BLOB_UNKNOWN"] : []],
    );
  }
});

test("gc: a blob that two repositories share frees its bytes once, with the last", async () => {
  await using registry = await openRegistry("a folder");
  const digest = await pushBlob(registry, "a", "shared");
  await exchange(registry, "POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`);
  await image(registry, "v1", {}, "c");
  await pushBlob(registry, "c", "kept in d");
  await exchange(registry, "POST", `/v2/d/blobs/uploads/?mount=${sha256("kept in d")}&from=c`);
  await put(registry, "d", "v1", manifestOf("kept in d", []));
  for (const dryRun of [true, false]) {
    const { repositories, bytes } = await registry.collect({ grace: 0, dryRun }, quietCall());
    assert.deepEqual(
      repositories.map((r) => [r.name, r.blobs, r.bytes]),
      [
        ["a", 1, 0],
        ["b", 1, 6],
        ["c", 1, 0],
      ],
    );
    assert.equal(bytes, 6);
  }
});

test("gc: what crashes left goes: records without content, referrers without a record, half-written files", async (t) => {
  await using registry = await openRegistry("a folder");
  const kept = await image(registry, "v1");
  const signature = await image(registry, "by digest 1", subject(kept));
  const lost = await image(registry, "by digest 2", subject(kept));
  await rm(blobPath(registry.root, "a", lost));
  const records = join(registry.root, "a", "_manifests", "sha256");
  await writeFile(join(records, `${kept.slice(7)}.0.tmp`), "half of");
  await writeFile(join(records, "notes"), "not ours");
  const stale = join(registry.root, "a", "_referrers", "sha256", sha256("gone").slice(7));
  await mkdir(stale);
  await writeFile(join(stale, signature.replace(":", "-")), "");
  const writers = join(registry.root, "a", "_layout", ".imgvol", "writers", "w-killed");
  await mkdir(writers, { recursive: true });
  await writeFile(join(writers, "1"), "half of a layer");
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 25 * 3_600_000 });
  const { repositories, findings } = await registry.collect({ grace: 0 }, quietCall());
  assert.deepEqual(findings, []);
  // The lost record, half of one, the stale referrer and its subject's folder; the lost one's referrer goes with its record.
  assert.ok((repositories[0]?.leftovers ?? 0) >= 4);
  assert.deepEqual((await readdir(records)).sort(), [kept.slice(7), signature.slice(7), "notes"].sort());
  assert.deepEqual(await readdir(join(registry.root, "a", "_referrers", "sha256")), [kept.slice(7)]);
  await assert.rejects(readdir(writers), { code: "ENOENT" });
  await registry.collect({ grace: 0 }, quietCall());
  const listed = await exchange(registry, "GET", `/v2/a/referrers/${kept}`);
  assert.deepEqual(
    JSON.parse(listed.body.toString()).manifests.map((d: { digest: string }) => d.digest),
    [signature],
  );
  assert.deepEqual(await readdir(join(registry.root, "a", "_referrers", "sha256", kept.slice(7))), [
    signature.replace(":", "-"),
  ]);
});

test("gc forgets what was where no repository is, and takes no content of one that lost its oci-layout", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const blob = blobPath(folder.path, "a/b", sha256("layer"));
  await mkdir(join(blob, ".."), { recursive: true });
  await mkdir(join(folder.path, "a/b/_manifests/sha256"), { recursive: true });
  await writeFile(blob, "layer");
  await using backing = await folderBacking(folder.path);
  await backing.forgetGone?.(quietCall());
  assert.equal(await readFile(blob, "utf8"), "layer");
  await rm(blob);
  await backing.forgetGone?.(quietCall());
  assert.deepEqual((await readdir(folder.path)).sort(), ["_lock", "_uploads"]);
});

test("gc: an empty repository goes, with the folders above it; one in which somebody is does not", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using backing = await folderBacking(folder.path);
  const repository = await backing.create("a/b/c", quietCall());
  {
    using _inside = repository.gate.enter();
    assert.equal(await backing.discard(repository, quietCall()), false);
  }
  assert.equal(await backing.discard(repository, quietCall()), true);
  assert.deepEqual((await readdir(folder.path)).sort(), ["_lock", "_uploads"]);
  assert.equal(await backing.find("a/b/c", quietCall()), undefined);
  assert.equal(repository.gate.enter(), undefined);
  await assert.rejects(
    repository.gate.shared(async () => {}),
    { code: "name-unknown" },
  );
  assert.notEqual(await backing.create("a/b/c", quietCall()), repository);
});

for (const method of ["HEAD", "GET", "POST"]) {
  test(`gc: what a client was told is there by ${method} stays for the grace`, async (t) => {
    await using registry = await openRegistry("a folder");
    const digests = [await pushBlob(registry, "a", "told"), await pushBlob(registry, "a", "not told")];
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 7_200_000 });
    const target =
      method === "POST" ? `/v2/a/blobs/uploads/?mount=${digests[0]}&from=b` : `/v2/a/blobs/${digests[0]}`;
    assert.ok((await exchange(registry, method, target)).status < 300);
    await registry.collect({}, quietCall());
    assert.deepEqual(await lying(registry.root), [digests[0]]);
    t.mock.timers.setTime(Date.now() + 3_600_001);
    await registry.collect({}, quietCall());
    assert.deepEqual((await readdir(registry.root)).sort(), ["_lock", "_uploads"]);
  });
}

test("gc --untagged: a manifest that a client was told of stays for the grace, with all that it needs", async (t) => {
  await using registry = await openRegistry("a folder");
  const digest = await image(registry, "by digest");
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 7_200_000 });
  assert.equal((await get(registry, digest)).status, 200);
  await registry.collect({ untagged: true }, quietCall());
  assert.deepEqual(await lying(registry.root), [digest, ...of("by digest")].sort());
});

test("gc: an upload that nobody continues goes; one on its way stays", async () => {
  let now = Date.now();
  const clock = { now: () => now, every: () => ({ [Symbol.dispose]() {} }) };
  await using registry = await openRegistry("a folder", { clock });
  const begin = async (): Promise<string> => {
    const at = (await exchange(registry, "POST", "/v2/a/blobs/uploads/")).headers["location"] ?? "";
    await exchange(registry, "PATCH", at, { body: "bytes" });
    return at;
  };
  await begin();
  now += 3_000_000;
  const upload = await begin();
  now += 1_000_000;
  for (const dryRun of [true, false]) {
    const { uploads, bytes } = await registry.collect({ grace: 0, dryRun }, quietCall());
    assert.deepEqual([uploads, bytes], [{ uploads: 1, bytes: 5 }, 5]);
  }
  assert.equal((await exchange(registry, "GET", upload)).headers["range"], "0-4");
  assert.equal((await readdir(join(registry.root, "_uploads"))).length, 2);
});

test("gc: an abort ends it, and leaves what was not reached", async () => {
  await using registry = await openRegistry("a folder");
  await image(registry, "v1");
  await pushBlob(registry, "a", "unused");
  const before = await lying(registry.root);
  const reason = new Error("enough");
  await assert.rejects(registry.collect({ grace: 0 }, quietCall(AbortSignal.abort(reason))), reason);
  assert.deepEqual(await lying(registry.root), before);
  assert.equal((await registry.collect({ grace: 0 }, quietCall())).repositories.length, 1);
});

test("gc without grace while many push the same and other blobs: what is acknowledged is whole", async (t) => {
  await using registry = await openRegistry("a folder");
  let pushing = true;
  let refused = 0;
  let collected = 0;
  const acknowledged: Digest[] = [];
  async function push(worker: number): Promise<void> {
    for (let i = 0; i < 12; i++) {
      const blobs = ["{}", `shared ${i % 3}`, `of ${worker} ${i}`];
      const body = manifestOf("{}", blobs.slice(1));
      for (let done = false; !done; ) {
        for (const [n, blob] of blobs.entries()) {
          const head = await exchange(registry, "HEAD", `/v2/a/blobs/${sha256(blob)}`);
          if (head.status === 200) continue;
          if (n === 1) {
            const at = (await exchange(registry, "POST", "/v2/a/blobs/uploads/")).headers["location"] ?? "";
            await exchange(registry, "PATCH", at, { body: blob });
            await exchange(registry, "PUT", `${at}?digest=${sha256(blob)}`);
          } else await pushBlob(registry, "a", blob);
        }
        const target = `/v2/a/manifests/${i % 2 === 0 ? `t${worker}-${i}` : sha256(body)}`;
        const answer = await exchange(registry, "PUT", target, {
          headers: { "content-type": MediaType.manifest },
          body,
        });
        done = answer.status === 201;
        if (!done) {
          assert.deepEqual(answer.errors, ["MANIFEST_BLOB_UNKNOWN"]);
          refused++;
        }
      }
      acknowledged.push(sha256(body));
    }
  }
  const collecting = (async () => {
    while (pushing) {
      const { findings, repositories } = await registry.collect({ grace: 0 }, quietCall());
      assert.deepEqual(findings, []);
      collected += repositories.reduce((sum, r) => sum + r.blobs, 0);
    }
  })();
  try {
    await Promise.all([0, 1, 2, 3].map(push));
  } finally {
    pushing = false;
    await collecting;
  }
  t.diagnostic(`${collected} blobs collected meanwhile, ${refused} manifests refused for it`);
  for (const digest of acknowledged) {
    const manifest = JSON.parse((await get(registry, digest)).body.toString());
    for (const { digest: blob } of [manifest.config, ...manifest.layers]) {
      const answer = await exchange(registry, "GET", `/v2/a/blobs/${blob}`);
      assert.equal(sha256(answer.body), blob);
    }
  }
});

test("a DELETE that races a PUT of the same manifest: it is there with its record, or gone with it", async () => {
  await using registry = await openRegistry("a folder");
  await image(registry, "v1");
  const body = manifestOf('{"of":"v1"}', [], subject(sha256("subject")));
  const target = `/v2/a/manifests/${sha256(body)}`;
  const send = { headers: { "content-type": MediaType.manifest }, body };
  for (let round = 0; round < 25; round++) {
    await exchange(registry, "PUT", target, send);
    const both = [exchange(registry, "DELETE", target), exchange(registry, "PUT", target, send)];
    await Promise.all(round % 2 === 0 ? both : both.reverse());
    const there = (await exchange(registry, "GET", target)).status;
    const listed = await exchange(registry, "GET", `/v2/a/referrers/${sha256("subject")}`);
    assert.equal(JSON.parse(listed.body.toString()).manifests.length, there === 200 ? 1 : 0);
    const record = join(registry.root, "a", "_manifests", ...sha256(body).split(":"));
    const recorded = await readFile(record).then(
      () => 200,
      () => 404,
    );
    assert.equal(recorded, there);
  }
});
