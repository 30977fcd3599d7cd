import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { sha256 } from "../registry/exchange.ts";
import { imgvol } from "./imgvol.ts";

async function pushBlob(url: string, name: string, bytes: string): Promise<void> {
  const target = `${url}/v2/${name}/blobs/uploads/?digest=${sha256(bytes)}`;
  assert.equal((await fetch(target, { method: "POST", body: bytes })).status, 201);
}

test("registry gc: beside a server and without one; it says what went, and 1 where something is damaged", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-cli-");
  const dir = join(folder.path, "registry");
  const gc = ["registry", "gc", "--dir", dir];
  {
    await using server = await startRegistry({ host: "127.0.0.1", port: 0, dir }, quietCall());
    await pushBlob(server.url, "team/app", "unused");
    const dry = await imgvol([...gc, "--grace", "0s", "--dry-run"]);
    assert.match(dry.stdout, /team\/app +0 +1 +6 B +the repository itself, too\n6 B would be freed\n$/);
    const young = await imgvol(gc);
    assert.deepEqual([young.code, young.stdout], [0, "0 B freed\n"]);
    const done = await imgvol([...gc, "--grace", "0s", "--json"]);
    const { bytes, repositories, findings } = JSON.parse(done.stdout);
    assert.deepEqual([done.code, bytes, repositories.length, findings], [0, 6, 1, []]);
    await pushBlob(server.url, "team/app", "more");
  }
  await truncate(join(dir, "team/app/_layout/index.json"));
  const damaged = await imgvol([...gc, "--grace", "0s"]);
  assert.deepEqual([damaged.code, damaged.stdout], [1, "0 B freed\n"]);
  assert.match(damaged.stderr, /nothing more was collected in team\/app/);
  const wrong = await imgvol(["registry", "gc", "--dir", folder.path]);
  assert.equal(wrong.code, 3);
  assert.match(wrong.stderr, /is not the folder of a registry/);
});
