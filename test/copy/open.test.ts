import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { parseReference } from "../../src/oci/index.ts";

const call = quietCall();

test("a reference's scheme says which store it is", async () => {
  const top = await mkdtemp(join(tmpdir(), "imgvol-open-"));
  try {
    const dir = join(top, "layout");
    const ref = parseReference(`oci:${dir}:v1`);
    await assert.rejects(openStore(ref, {}, call), { code: "not-found", message: new RegExp(dir) });
    await using made = await openStore(ref, { create: true }, call);
    assert.equal(made.origin, `oci:${dir}`);
    await using again = await openStore(ref, {}, call);
    assert.equal(again.origin, made.origin);
  } finally {
    await rm(top, { recursive: true, force: true });
  }
  await using remote = await openStore(parseReference("127.0.0.1:1/team/agent:1"), {}, call);
  assert.equal(remote.origin, "127.0.0.1:1/team/agent");
  await using short = await openStore(parseReference("alpine"), {}, call);
  assert.equal(short.origin, "docker.io/library/alpine");
});

test("an archive is opened by its file", async () => {
  const top = await mkdtemp(join(tmpdir(), "imgvol-open-"));
  try {
    const ref = parseReference(`oci-archive:${join(top, "x.tar")}:v1`);
    await assert.rejects(openStore(ref, {}, call), { code: "not-found", message: /x\.tar/ });
    await using made = await openStore(ref, { create: true }, call);
    assert.equal(made.origin, `oci-archive:${join(top, "x.tar")}`);
  } finally {
    await rm(top, { recursive: true, force: true });
  }
});
