import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exists, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { clusterDown, clusterStatus, clusterUp, type UpOptions } from "../../src/cluster/index.ts";
import { lookAtMachine } from "./machine.ts";
import { programs } from "./programs.ts";

const call = quietCall();
const folder = await temporaryFolder(tmpdir(), "imgvol-clusters-");
const clusters = folder.path;
after(() => folder[Symbol.asyncDispose]());

const options = (name: string): UpOptions => ({ ...programs, name, clusters, apiPort: 0, registryPort: 0 });

test("three times up and down: the machine is as it was", async () => {
  const before = await lookAtMachine();
  for (let round = 0; round < 3; round++) {
    const up = await clusterUp(options("round"), call);
    const [status] = await clusterStatus(clusters, call);
    assert.equal(status?.state, "ready");
    assert.equal(status?.registry, up.registry);
    assert.equal(await clusterDown({ name: "round", clusters }, call), true);
    assert.deepEqual(await lookAtMachine(), before);
    assert.equal(await clusterDown({ name: "round", clusters }, call), false);
  }
});

test("what a down left that was stopped, another up clears away; what is no cluster's it leaves alone", async () => {
  const before = await lookAtMachine();
  const remains = join(clusters, "remains");
  await mkdir(join(remains, "node", "etcd"), { recursive: true });
  await writeFile(join(remains, "node", "etcd", "old"), "");
  await clusterUp(options("remains"), call);
  assert.equal(await exists(join(remains, "node", "etcd", "old")), false);
  await clusterDown({ name: "remains", clusters }, call);
  await mkdir(remains);
  await writeFile(join(remains, "mine"), "");
  await assert.rejects(clusterUp(options("remains"), call), { code: "cluster-unknown" });
  assert.ok(await exists(join(remains, "mine")));
  await rm(remains, { recursive: true });
  assert.deepEqual(await lookAtMachine(), before);
});

test("two clusters that come up at the same moment take networks of their own", async () => {
  const before = await lookAtMachine();
  const elsewhere = join(clusters, "elsewhere");
  const other = { ...options("twin"), clusters: elsewhere };
  const [one, two] = await Promise.all([clusterUp(options("twin"), call), clusterUp(other, call)]);
  assert.notEqual(one.node, two.node);
  await clusterDown({ name: "twin", clusters }, call);
  await clusterDown({ name: "twin", clusters: elsewhere }, call);
  await rm(elsewhere, { recursive: true });
  assert.deepEqual(await lookAtMachine(), before);
});

test("two clusters at a time know nothing of each other, and the settings of the machine stay until the last is down", async () => {
  const before = await lookAtMachine();
  const [one, two] = [await clusterUp(options("one"), call), await clusterUp(options("two"), call)];
  assert.notEqual(one.node, two.node);
  await assert.rejects(clusterUp(options("one"), call), { code: "cluster-up" });
  await clusterDown({ name: "one", clusters }, call);
  const [left] = await clusterStatus(clusters, call);
  assert.deepEqual([left?.name, left?.state], ["two", "ready"]);
  await clusterDown({ name: "two", clusters }, call);
  assert.deepEqual(await lookAtMachine(), before);
});

test("an up that is killed or stopped at any moment leaves nothing that down does not take away", async () => {
  const before = await lookAtMachine();
  for (const [signal, moment] of [
    ["SIGKILL", 0],
    ["SIGKILL", 1],
    ["SIGKILL", 2],
    ["SIGTERM", 1],
  ] as const) {
    const child = fork(join(import.meta.dirname, "up-process.ts"), [], {
      env: { ...process.env, IMGVOL_TEST_UP: JSON.stringify(options("killed")) },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    let steps = 0;
    child.on("message", () => {
      if (steps++ === moment) child.kill(signal);
    });
    await once(child, "exit");
    await clusterDown({ name: "killed", clusters }, call);
    assert.deepEqual(await lookAtMachine(), before, `${signal} at ${moment}`);
  }
});

test("what is in the way is told before anything is made", async () => {
  const before = await lookAtMachine();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const empty = join(clusters, "bin");
  await mkdir(empty);
  await writeFile(join(empty, "kubelet"), "");
  const hidden = `/run/imgvol-test-${process.pid}`;
  await writeFile(hidden, "");
  for (const [wrong, code] of [
    [{ apiPort: port }, "port-in-use"],
    [{ registryPort: port }, "port-in-use"],
    [{ apiPort: 10_250 }, "port-in-use"],
    [
      {
        publish: [
          { host: 18_080, node: 30_080 },
          { host: 18_080, node: 30_081 },
        ],
      },
      "port-in-use",
    ],
    [{ name: "Not A Name" }, "name-invalid"],
    [{ htpasswd: join(clusters, "nobody") }, "file-unreadable"],
    [{ htpasswd: hidden }, "path-hidden"],
    [{ bin: empty }, "program-missing"],
  ] as const) {
    await assert.rejects(clusterUp({ ...options("wrong"), ...wrong }, call), { code });
    assert.equal(await exists(join(clusters, "wrong")), false);
  }
  server.close();
  await rm(hidden);
  assert.deepEqual(await lookAtMachine(), before);
});
