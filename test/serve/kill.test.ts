import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";

const ROUNDS = 8;

/** What the server said it keeps: path by what must come back. */
type Acknowledged = Map<string, string>;

async function start(dir: string): Promise<{ url: string; kill(): Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "serve-folder.ts"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = await once(createInterface({ input: child.stdout }), "line");
  return {
    url: `http://127.0.0.1:${port}`,
    async kill() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** Pushes images, by turns in one request and in chunks, until the server is gone. */
async function pushUntilCut(
  url: string,
  worker: number,
  kept: Acknowledged,
  onSend: () => void,
): Promise<void> {
  const name = `repository/${worker % 2}`;
  const send = (
    method: string,
    path: string,
    body: Uint8Array | string,
    type = "application/octet-stream",
  ) => {
    const answer = fetch(`${url}${path}`, { method, body, headers: { "content-type": type } });
    onSend();
    return answer;
  };
  for (let i = 0; ; i++) {
    const layer = randomBytes(randomInt(1, 200_000)).toString("latin1");
    for (const blob of ["{}", layer]) {
      const begun = await send("POST", `/v2/${name}/blobs/uploads/`, "");
      const at = begun.headers.get("location") ?? "";
      if (i % 2 === 0) await send("PATCH", at, Buffer.from(blob));
      const ended = await send("PUT", `${at}?digest=${sha256(blob)}`, i % 2 === 0 ? "" : Buffer.from(blob));
      if (ended.status === 201) kept.set(`/v2/${name}/blobs/${sha256(blob)}`, sha256(blob));
    }
    const manifest = manifestOf("{}", [layer]);
    const path = `/v2/${name}/manifests/w${worker}-${i}`;
    const tagged = await send("PUT", path, manifest, MediaType.manifest);
    if (tagged.status === 201) kept.set(path, sha256(manifest));
  }
}

test("kill -9 while several push: what was acknowledged is there, what is there is whole, and it goes on", async (t) => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const kept: Acknowledged = new Map();
  for (let round = 0; round <= ROUNDS; round++) {
    const server = await start(join(folder.path, "data"));
    for (const [path, digest] of kept) {
      const answer = await fetch(`${server.url}${path}`);
      assert.equal(answer.status, 200, path);
      assert.equal(sha256(new Uint8Array(await answer.arrayBuffer())), digest, path);
    }
    for (const name of ["repository/0", "repository/1"]) await wholeTags(`${server.url}/v2/${name}`);
    if (round === ROUNDS) {
      await server.kill();
      break;
    }
    // The server dies while its n-th request is on its way.
    let left = randomInt(1, 80);
    let killed: Promise<void> | undefined;
    const countDown = (): void => {
      if (--left === 0) killed = server.kill();
    };
    const pushing = [0, 1, 2].map((w) =>
      pushUntilCut(server.url, round * 3 + w, kept, countDown).catch(() => {}),
    );
    await Promise.all(pushing);
    await killed;
  }
  t.diagnostic(`${kept.size} acknowledged over ${ROUNDS} kills`);
  assert.ok(kept.size > 0);
});

/** Whatever tag can be seen leads to a manifest and blobs that are all there. */
async function wholeTags(repository: string): Promise<void> {
  const list = await fetch(`${repository}/tags/list`);
  const { tags = [] }: { tags?: string[] } = list.status === 200 ? JSON.parse(await list.text()) : {};
  for (const tag of tags) {
    const manifest = JSON.parse(await (await fetch(`${repository}/manifests/${tag}`)).text());
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      const blob = await fetch(`${repository}/blobs/${digest}`);
      assert.equal(sha256(new Uint8Array(await blob.arrayBuffer())), digest);
    }
  }
}
