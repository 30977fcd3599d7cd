import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { collectFolder } from "../../src/registry/index.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";

const ROUNDS = 3;

async function start(dir: string): Promise<{ url: string; kill(): Promise<void> } & AsyncDisposable> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "serve-folder.ts"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  const [port] = await once(createInterface({ input: child.stdout }), "line");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  return { url: `http://127.0.0.1:${port}`, kill, [Symbol.asyncDispose]: kill };
}

async function send(
  url: string,
  method: string,
  body?: Uint8Array | string,
  type?: string,
): Promise<Response> {
  const headers = { "content-type": type ?? "application/octet-stream" };
  return await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
}

test("kill -9 in the middle of an upload: the next server says what is there, and the upload goes on", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const dir = join(folder.path, "data");
  const blob = randomBytes(3_000_000);
  let at: string;
  {
    await using server = await start(dir);
    at = (await send(`${server.url}/v2/a/blobs/uploads/`, "POST")).headers.get("location") ?? "";
    const whole = await send(server.url + at, "PATCH", blob.subarray(0, 1_000_000));
    assert.deepEqual([whole.status, whole.headers.get("range")], [202, "0-999999"]);
    // A second chunk, of which the server has taken some, and not all.
    const feed = new ReadableStream({
      async pull(to) {
        to.enqueue(blob.subarray(1_000_000, 1_500_000));
        await send(`${server.url}/v2/`, "GET");
        await server.kill();
      },
    });
    const headers = { "content-type": "application/octet-stream" };
    await assert.rejects(fetch(server.url + at, { method: "PATCH", headers, body: feed, duplex: "half" }));
  }
  await using server = await start(dir);
  const status = await send(server.url + at, "GET");
  const end = Number(/^0-(\d+)$/.exec(status.headers.get("range") ?? "")?.[1]) + 1;
  assert.ok(end >= 1_000_000 && end <= 1_500_000, `it stands at ${end}`);
  assert.equal((await send(server.url + at, "PATCH", blob.subarray(end))).status, 202);
  assert.equal((await send(`${server.url}${at}?digest=${sha256(blob)}`, "PUT", "")).status, 201);
  const got = await send(`${server.url}/v2/a/blobs/${sha256(blob)}`, "GET");
  assert.equal(sha256(new Uint8Array(await got.arrayBuffer())), sha256(blob));
});

/** What the server said it keeps: the paths of manifests, and what they must be. */
type Acknowledged = Map<string, string>;

/** Pushes images until the server is gone, each again until it is taken. */
async function pushUntilCut(
  url: string,
  worker: string,
  kept: Acknowledged,
  onSend: () => void,
): Promise<void> {
  const name = `repository/${worker.length % 2}`;
  const ask = (...[path, ...rest]: Parameters<typeof send>): Promise<Response> => {
    onSend();
    return send(url + path, ...rest);
  };
  for (let i = 0; ; i++) {
    const layers = [`shared by many ${i % 4}`, `of ${worker} ${i}`];
    const manifest = manifestOf("{}", layers);
    const path = `/v2/${name}/manifests/${i % 2 === 0 ? `w${worker}-${i}` : sha256(manifest)}`;
    for (let taken = false; !taken; ) {
      for (const blob of ["{}", ...layers]) {
        const there = await ask(`/v2/${name}/blobs/${sha256(blob)}`, "HEAD");
        if (there.status === 200) continue;
        const begun = await ask(`/v2/${name}/blobs/uploads/`, "POST");
        const at = begun.headers.get("location") ?? "";
        if (i % 3 === 0) await ask(at, "PATCH", blob);
        const put = await ask(`${at}?digest=${sha256(blob)}`, "PUT", i % 3 === 0 ? "" : blob);
        assert.equal(put.status, 201);
      }
      const answer = await ask(path, "PUT", manifest, MediaType.manifest);
      taken = answer.status === 201;
      if (!taken) assert.equal(answer.status, 400);
    }
    kept.set(path, sha256(manifest));
  }
}

test("kill -9 while several push and gc without grace runs: every acknowledged image is there, whole", async (t) => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const dir = join(folder.path, "data");
  const kept: Acknowledged = new Map();
  let collected = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await using server = await start(dir);
    let left = randomInt(50, 250);
    let dead = false;
    const countDown = (): void => {
      if (--left !== 0) return;
      dead = true;
      void server.kill();
    };
    const collecting = (async () => {
      while (!dead) {
        const done = await collectFolder(dir, { grace: 0 }, quietCall()).catch((error: unknown) => {
          // The server that was asked is dead.
          assert.ok(error instanceof Error && "code" in error && error.code === "gc-failed", String(error));
        });
        assert.deepEqual(done?.findings ?? [], []);
        for (const { blobs } of done?.repositories ?? []) collected += blobs;
      }
    })();
    const workers = ["a", "bb", "ccc", "dddd"].map((worker) => `${round}${worker}`);
    const pushing = workers.map((worker) =>
      pushUntilCut(server.url, worker, kept, countDown).catch((error: unknown) => {
        // Only the cut ends them.
        if (error instanceof assert.AssertionError) throw error;
      }),
    );
    await Promise.all(pushing);
    await collecting;
  }
  await collectFolder(dir, { grace: 0 }, quietCall());
  await using server = await start(dir);
  for (const [path, digest] of kept) {
    const manifest = Buffer.from(await (await send(server.url + path, "GET")).arrayBuffer());
    assert.equal(sha256(manifest), digest, path);
    const { config, layers } = JSON.parse(manifest.toString());
    for (const blob of [config, ...layers]) {
      const got = await send(`${server.url}${path.replace(/manifests.*/, `blobs/${blob.digest}`)}`, "GET");
      assert.equal(sha256(new Uint8Array(await got.arrayBuffer())), blob.digest);
    }
  }
  t.diagnostic(`${kept.size} images acknowledged over ${ROUNDS} kills, ${collected} blobs collected`);
  assert.ok(kept.size > 0);
});
