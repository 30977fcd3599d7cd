import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { sha256 } from "../registry/exchange.ts";

test("two servers cannot have one folder; the second may when the first is gone", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const options = { host: "127.0.0.1", port: 0, dir: folder.path };
  const first = await startRegistry(options, quietCall());
  await assert.rejects(startRegistry(options, quietCall()), { code: "registry-locked" });
  // A start that fails later gives the folder back.
  await first[Symbol.asyncDispose]();
  await using other = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  await assert.rejects(startRegistry({ ...options, port: other.port }, quietCall()), { code: "port-in-use" });
  await using _second = await startRegistry(options, quietCall());
});

test("a start that fails leaves no folder that it made, and every folder that was there", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using other = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const taken = { host: "127.0.0.1", port: other.port };
  const there = join(folder.path, "there");
  await mkdir(there);
  for (const mirror of [undefined, { upstreams: ["localhost:1"] }]) {
    const how = { ...taken, ...(mirror === undefined ? {} : { mirror }) };
    for (const dir of [join(folder.path, "new", "below"), there]) {
      await assert.rejects(startRegistry({ ...how, dir }, quietCall()), { code: "port-in-use" });
    }
  }
  assert.deepEqual(await readdir(folder.path), ["there"]);
});

test("over a socket: a stored image is fetched, and a strange Host gets an OCI error", async () => {
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const digest = sha256("over the wire");
  const pushed = await fetch(`${registry.url}/v2/w/blobs/uploads/?digest=${digest}`, {
    method: "POST",
    body: "over the wire",
  });
  assert.equal(pushed.status, 201);
  assert.equal(await (await fetch(`${registry.url}/v2/w/blobs/${digest}`)).text(), "over the wire");
  const foreign = await fetch(`${registry.url}/v2/`, { headers: { origin: "https://attacker.example" } });
  assert.deepEqual([foreign.status, JSON.parse(await foreign.text()).errors[0].code], [403, "DENIED"]);
});
