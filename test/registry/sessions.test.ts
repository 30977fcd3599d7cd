import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { copyFile, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import {
  type Clock,
  folderBacking,
  type RegistryOptions,
  registryHandler,
} from "../../src/registry/index.ts";
import { exchange, openRegistry, PLACES, sha256 } from "./exchange.ts";

type Registry = ReturnType<typeof registryHandler>;

/** Runs `work` over a registry on `dir`, and closes it. */
async function over<T>(
  dir: string,
  work: (r: Registry) => Promise<T>,
  options: RegistryOptions = {},
): Promise<T> {
  await using backing = await folderBacking(dir);
  await using registry = registryHandler(backing, {
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  return await work(registry);
}

async function begin(registry: Registry, name = "a/b"): Promise<string> {
  const begun = await exchange(registry, "POST", `/v2/${name}/blobs/uploads/`);
  assert.equal(begun.status, 202);
  return begun.headers["location"] ?? "";
}

async function where(registry: Registry, upload: string): Promise<unknown> {
  const { status, headers, errors } = await exchange(registry, "GET", upload);
  return status === 204 ? headers["range"] : errors[0];
}

function handClock(): Clock & { forward(ms: number): void } {
  let now = Date.now();
  const timers = new Set<() => void>();
  return {
    now: () => now,
    every(_ms, work) {
      timers.add(work);
      return { [Symbol.dispose]: () => void timers.delete(work) };
    },
    forward(ms) {
      now += ms;
      for (const work of timers) work();
    },
  };
}

for (const algorithm of ["sha256", "sha512"]) {
  test(`an upload goes on after a restart, and becomes the blob of its ${algorithm}`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
    const digest = `${algorithm}:${createHash(algorithm).update("firstsecondthird").digest("hex")}`;
    const upload = await over(folder.path, async (registry) => {
      const at = await begin(registry);
      await exchange(registry, "PATCH", at, { body: "first" });
      return at;
    });
    await over(folder.path, async (registry) => {
      assert.equal(await where(registry, upload), "0-4");
      const next = { "content-range": "5-10" };
      assert.equal(
        (await exchange(registry, "PATCH", upload, { body: "second", headers: next })).status,
        202,
      );
    });
    await over(folder.path, async (registry) => {
      const gap = { "content-range": "12-16" };
      assert.equal((await exchange(registry, "PATCH", upload, { body: "third", headers: gap })).status, 416);
      const done = await exchange(registry, "PUT", `${upload}?digest=${digest}`, { body: "third" });
      assert.equal(done.status, 201);
      const blob = await exchange(registry, "GET", `/v2/a/b/blobs/${digest}`);
      assert.equal(blob.body.toString(), "firstsecondthird");
    });
    assert.deepEqual(await readdir(join(folder.path, "_uploads")), []);
  });
}

test("an upload that turns out wrong after a restart is refused, and gone", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const upload = await over(folder.path, async (registry) => {
    const at = await begin(registry);
    await exchange(registry, "PATCH", at, { body: "bytes" });
    return at;
  });
  await over(folder.path, async (registry) => {
    const done = await exchange(registry, "PUT", `${upload}?digest=${sha256("other")}`);
    assert.deepEqual([done.status, done.errors], [400, ["DIGEST_INVALID"]]);
    assert.equal(await where(registry, upload), "BLOB_UPLOAD_UNKNOWN");
    assert.equal((await exchange(registry, "GET", "/v2/_catalog")).body.toString(), '{"repositories":[]}');
  });
});

const LEFT: readonly (readonly [string, (uploads: string, id: string) => Promise<void>, unknown])[] = [
  ["as it was", async () => {}, "0-4"],
  ["shorter than it was told", (uploads, id) => truncate(join(uploads, id), 2), "0-1"],
  ["of another boot of the machine", otherBoot, "BLOB_UPLOAD_UNKNOWN"],
  ["half of a record", (uploads, id) => truncate(join(uploads, `${id}.json`), 9), "BLOB_UPLOAD_UNKNOWN"],
  ["an empty record", (uploads, id) => truncate(join(uploads, `${id}.json`)), "BLOB_UPLOAD_UNKNOWN"],
];

async function otherBoot(uploads: string, id: string): Promise<void> {
  const path = join(uploads, `${id}.json`);
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), boot: randomUUID() }));
}

for (const [what, damage, expected] of LEFT) {
  test(`an upload that a server left, ${what}: ${expected}`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
    const uploads = join(folder.path, "_uploads");
    const upload = await over(folder.path, async (registry) => {
      const at = await begin(registry);
      await exchange(registry, "PATCH", at, { body: "bytes" });
      return at;
    });
    await damage(uploads, upload.split("/").at(-1) ?? "");
    await writeFile(join(uploads, randomUUID()), "bytes without a record");
    await writeFile(join(uploads, "notes"), "not ours");
    await copyFile(join(uploads, "notes"), join(uploads, "notes.json"));
    await over(folder.path, async (registry) => {
      assert.equal(await where(registry, upload), expected);
      const ours = expected === "BLOB_UPLOAD_UNKNOWN" ? 0 : 2;
      assert.equal((await readdir(uploads)).length, 2 + ours);
    });
  });
}

for (const place of PLACES) {
  test(`${place}: an upload that nobody continues expires, whether anybody asks or not`, async () => {
    const clock = handClock();
    await using registry = await openRegistry(place, { clock, limits: { uploadIdle: 1000 } });
    const [idle, used] = [await begin(registry), await begin(registry)];
    clock.forward(600);
    await exchange(registry, "PATCH", used, { body: "bytes" });
    clock.forward(600);
    assert.equal(await where(registry, idle), "BLOB_UPLOAD_UNKNOWN");
    assert.equal(await where(registry, used), "0-4");
    clock.forward(1000);
    assert.equal(await where(registry, used), "BLOB_UPLOAD_UNKNOWN");
  });

  test(`${place}: no more uploads at a time than the limit, and one more when one is done`, async () => {
    await using registry = await openRegistry(place, { limits: { uploads: 3 } });
    const begun = await Promise.all(
      Array.from({ length: 5 }, () => exchange(registry, "POST", "/v2/a/blobs/uploads/")),
    );
    const refused = begun.filter(({ status }) => status !== 202);
    assert.deepEqual(
      refused.map(({ status, errors, headers }) => [status, errors, headers["retry-after"]]),
      Array.from({ length: 2 }, () => [429, ["TOOMANYREQUESTS"], "60"]),
    );
    await exchange(registry, "DELETE", begun.find(({ status }) => status === 202)?.headers["location"] ?? "");
    await begin(registry);
  });

  test(`${place}: unfinished uploads have so many bytes together; what came in stays`, async () => {
    await using registry = await openRegistry(place, { limits: { uploadBytes: 10 } });
    const [one, two] = [await begin(registry), await begin(registry)];
    assert.equal((await exchange(registry, "PATCH", one, { body: "123456" })).status, 202);
    const refused = await exchange(registry, "PATCH", two, { body: "123456" });
    assert.deepEqual([refused.status, refused.errors], [429, ["TOOMANYREQUESTS"]]);
    assert.equal(await where(registry, two), "0-0");
    const whole = await exchange(registry, "POST", `/v2/a/blobs/uploads/?digest=${sha256("123456")}`, {
      body: "123456",
    });
    assert.equal(whole.status, 429);
    const stream = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.from("1234");
      yield Buffer.from("5");
    };
    assert.equal((await exchange(registry, "PATCH", two, { body: stream() })).status, 429);
    assert.equal(await where(registry, two), "0-3");
    assert.equal((await exchange(registry, "PUT", `${one}?digest=${sha256("123456")}`)).status, 201);
    assert.equal((await exchange(registry, "PATCH", two, { body: "56" })).status, 202);
  });
}

test("uploads leave the disk its last bytes: 507, and nothing is begun", async () => {
  await using registry = await openRegistry("a folder", { limits: { freeDisk: Number.MAX_SAFE_INTEGER } });
  const whole = `/v2/a/blobs/uploads/?digest=${sha256("bytes")}`;
  for (const target of ["/v2/a/blobs/uploads/", whole]) {
    const refused = await exchange(registry, "POST", target, { body: target === whole ? "bytes" : "" });
    assert.deepEqual([refused.status, refused.errors], [507, ["DENIED"]]);
  }
  assert.deepEqual(await readdir(join(registry.root, "_uploads")), []);
  assert.equal((await exchange(registry, "GET", "/v2/_catalog")).body.toString(), '{"repositories":[]}');
});

test("uploads of a server before expire from when bytes last came in", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const clock = handClock();
  const upload = await over(folder.path, async (registry) => await begin(registry));
  clock.forward(3_600_000 + 60_000);
  await over(
    folder.path,
    async (registry) => assert.equal(await where(registry, upload), "BLOB_UPLOAD_UNKNOWN"),
    { clock },
  );
});

for (const place of PLACES) {
  for (const [what, method, target, body] of [
    ["a blob that is another", "POST", `/v2/new/one/blobs/uploads/?digest=${sha256("other")}`, "bytes"],
    [
      "a manifest without its blobs",
      "PUT",
      "/v2/new/one/manifests/v1",
      '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"' +
        sha256("{}") +
        '","size":2},"layers":[]}',
    ],
  ] as const) {
    test(`${place}: a first push that is refused, of ${what}, leaves no repository`, async () => {
      await using registry = await openRegistry(place);
      const refused = await exchange(registry, method, target, {
        body,
        headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
      });
      assert.equal(refused.status, 400);
      assert.equal((await exchange(registry, "GET", "/v2/_catalog")).body.toString(), '{"repositories":[]}');
      assert.deepEqual((await exchange(registry, "GET", "/v2/new/one/tags/list")).errors, ["NAME_UNKNOWN"]);
      if (place === "a folder")
        assert.deepEqual((await readdir(registry.root)).sort(), ["_lock", "_uploads"]);
    });
  }
}
