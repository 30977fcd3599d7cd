import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exists, ImgvolError, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { builds, findBinaries, programsOf } from "../../src/binaries/index.ts";
import { ClusterError } from "../../src/cluster/index.ts";
import {
  type NativeCluster,
  type NativeOptions,
  nativeDown,
  nativeStatus,
  nativeUp,
} from "../../src/native/index.ts";
import { lockMachine, MACHINE, machineStates } from "../../src/native/machine-clusters.ts";
import { lookAtMachine } from "./machine.ts";
import { programs } from "./programs.ts";

const call = quietCall();
const folder = await temporaryFolder(tmpdir(), "imgvol-clusters-");
const clusters = folder.path;
after(() => folder[Symbol.asyncDispose]());

const options = (name: string): NativeOptions => ({
  ...programs,
  name,
  clusters,
  apiPort: 0,
  registryPort: 0,
});

test("three times up and down: the machine is as it was", async () => {
  const before = await lookAtMachine();
  for (let round = 0; round < 3; round++) {
    const up = await nativeUp(options("round"), call);
    const [status] = await nativeStatus({ clusters }, call);
    assert.equal(status?.state, "ready");
    assert.equal(status?.registry, up.registry);
    assert.equal(await nativeDown({ name: "round", clusters }, call), true);
    assert.deepEqual(await lookAtMachine(), before);
    assert.equal(await nativeDown({ name: "round", clusters }, call), false);
  }
});

test("what a down left that was stopped, another up clears away; what is no cluster's it leaves alone", async () => {
  const before = await lookAtMachine();
  const remains = join(clusters, "remains");
  await mkdir(join(remains, "node", "etcd"), { recursive: true });
  await writeFile(join(remains, "node", "etcd", "old"), "");
  await nativeUp(options("remains"), call);
  assert.equal(await exists(join(remains, "node", "etcd", "old")), false);
  await nativeDown({ name: "remains", clusters }, call);
  await mkdir(remains);
  await writeFile(join(remains, "mine"), "");
  await assert.rejects(nativeUp(options("remains"), call), { code: "cluster-unknown" });
  assert.ok(await exists(join(remains, "mine")));
  await rm(remains, { recursive: true });
  assert.deepEqual(await lookAtMachine(), before);
});

test("two clusters that come up at the same moment take networks of their own", async () => {
  const before = await lookAtMachine();
  const elsewhere = join(clusters, "elsewhere");
  const other = { ...options("twin"), clusters: elsewhere };
  const [one, two] = await Promise.all([nativeUp(options("twin"), call), nativeUp(other, call)]);
  assert.notEqual(one.node, two.node);
  // Whoever goes first, and wherever the other is kept: what both need of the machine stays until both are gone.
  const { sysctls, folders } = await lookAtMachine();
  await nativeDown({ name: "twin", clusters }, call);
  const left = await lookAtMachine();
  assert.deepEqual(left.sysctls, sysctls);
  assert.deepEqual(below("/opt", left.folders), below("/opt", folders));
  await assert.rejects(
    nativeUp({ ...options("third"), apiPort: portOf(two, "api") }, call),
    new RegExp(`port \\d+ is taken already, by the cluster twin in ${elsewhere}/twin`),
  );
  await nativeDown({ name: "twin", clusters: elsewhere }, call);
  assert.deepEqual(await readdir(elsewhere), []);
  await rm(elsewhere, { recursive: true });
  assert.deepEqual(await lookAtMachine(), before);
});

function below(folder: string, paths: readonly string[]): readonly string[] {
  return paths.filter((path) => path.startsWith(`${folder}/`));
}

function portOf({ ports }: NativeCluster, what: string): number {
  return ports.find((port) => port.what === what)?.host ?? 0;
}

test("what is listed and is there no more is forgotten; what cannot be read stays, and is in nobody's way", async () => {
  const { folders } = await lookAtMachine();
  const [gone, strange, file] = [1, 2, 3].map((n) => `${MACHINE}-00000000-0000-4000-8000-00000000000${n}`);
  assert.ok(gone && strange && file);
  await symlink(join(clusters, "gone"), gone);
  await symlink("/no/Cluster", strange);
  await writeFile(file, "");
  try {
    await using _held = await lockMachine(call);
    await machineStates(clusters);
    assert.deepEqual(await Promise.all([gone, strange, file].map(exists)), [false, true, true]);
  } finally {
    for (const path of [gone, strange, file]) await rm(path, { force: true });
  }
  assert.deepEqual((await lookAtMachine()).folders, folders);
});

test("two clusters at a time know nothing of each other, and the settings of the machine stay until the last is down", async () => {
  const before = await lookAtMachine();
  const [one, two] = [await nativeUp(options("one"), call), await nativeUp(options("two"), call)];
  assert.notEqual(one.node, two.node);
  // As kind's: the same words, typed again, have the same answer; another cluster of the name is refused.
  assert.deepEqual(await nativeUp(options("one"), call), one);
  for (const [other, flag] of [
    [{ publish: [{ host: 0, node: 30_080 }] }, "--publish"],
    [{ gateOff: true }, "--gate-off"],
    [{ apiPort: portOf(two, "api") }, "--api-port"],
    [{ registryPort: 5001, bin: clusters }, "--registry-port, --bin"],
  ] as const) {
    await assert.rejects(nativeUp({ ...options("one"), ...other }, call), {
      code: "cluster-up",
      message: `there is a cluster one already, with another ${flag}`,
    });
  }
  await nativeDown({ name: "one", clusters }, call);
  const [left] = await nativeStatus({ clusters }, call);
  assert.deepEqual([left?.name, left?.state], ["two", "ready"]);
  await nativeDown({ name: "two", clusters }, call);
  assert.deepEqual(await lookAtMachine(), before);
});

test("after a cluster's folder was deleted, down puts the machine back", async () => {
  const before = await lookAtMachine();
  await nativeUp(options("lost"), call);
  await rm(join(clusters, "lost"), { recursive: true, force: true });
  assert.equal(await nativeDown({ name: "lost", clusters }, call), true);
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
    await nativeDown({ name: "killed", clusters }, call);
    assert.deepEqual(await lookAtMachine(), before, `${signal} at ${moment}`);
  }
});

test("an up that fails leaves its programs' logs, says where, and down removes them", async () => {
  const before = await lookAtMachine();
  const bin = join(clusters, "failing");
  await mkdir(join(bin, "cni"), { recursive: true });
  const { path } = await findBinaries(programs, call);
  for (const build of builds) {
    for (const program of programsOf(build))
      await symlink(path(program), join(bin, build.folder ?? "", program));
  }
  await symlink(path("nft"), join(bin, "nft"));
  await rm(join(bin, "etcd"));
  await writeFile(join(bin, "etcd"), "#!/bin/sh\necho no disk >&2\nexit 3\n", { mode: 0o755 });
  const logs = join(clusters, "failed.log");
  await assert.rejects(nativeUp({ ...options("failed"), bin }, call), (error: unknown) => {
    assert.ok(error instanceof ClusterError && error.code === "cluster-failed", `${error}`);
    assert.ok(error.hint?.includes(`${logs}; imgvol cluster down --name failed removes`), error.hint);
    return true;
  });
  assert.match(await readFile(join(logs, "etcd.log"), "utf8"), /no disk/);
  assert.equal(await nativeDown({ name: "failed", clusters }, call), false);
  await rm(bin, { recursive: true });
  assert.deepEqual(await readdir(clusters), []);
  assert.deepEqual(await lookAtMachine(), before);
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
  const twice = { host: 18_080, node: 30_080 };
  for (const [wrong, code, told] of [
    [{ apiPort: port }, "port-in-use", /^port \d+ on 127\.0\.0\.1 is in use by .*\(process \d+\)$/],
    [{ registryPort: port }, "port-in-use", /^port \d+ on 127\.0\.0\.1 is in use by/],
    [{ apiPort: 10_250 }, "port-in-use", /^port 10250 is one that Kubernetes itself has on the node$/],
    [{ publish: [twice, twice] }, "port-in-use", /^port 18080 is taken already, by --publish PORT:30080$/],
    [{ apiPort: 18_080, publish: [twice] }, "port-in-use", /^port 18080 is taken already, by --api-port$/],
    [{ name: "Not A Name" }, "name-invalid", /Not A Name/],
    [{ htpasswd: join(clusters, "nobody") }, "htpasswd-unreadable", /nobody/],
    [{ htpasswd: hidden }, "path-hidden", /is below \/run/],
    [{ bin: empty }, "program-missing", /\/pause is not there/],
  ] as const) {
    await assert.rejects(nativeUp({ ...options("wrong"), ...wrong }, call), (error: unknown) => {
      assert.ok(error instanceof ImgvolError && error.code === code, `${error}`);
      assert.match(error.message, told);
      return true;
    });
    assert.equal(await exists(join(clusters, "wrong")), false);
  }
  server.close();
  await rm(hidden);
  assert.deepEqual(await lookAtMachine(), before);
});
