// The steps of `cluster up --provider kind`, with programs that stand where docker and kind would: what is asked of them, in
// which order, and what is left when they fail. That a cluster comes of it, only an engine could show.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, quietCall } from "../../src/base/index.ts";
import { ClusterError } from "../../src/cluster/index.ts";
import { type KindOptions, kindDown, kindStatus, kindUp } from "../../src/kind/index.ts";
import { kindFolder, readKindState, writeKindState } from "../../src/kind/state.ts";
import { type StandIns, standIns } from "./stand-ins.ts";

const call: Call = quietCall();
const OURS = ["imgvol-control-plane", "imgvol-registry"];
const ports = { apiPort: 0, registryPort: 0 } as const;

const up = (engine: StandIns, options: KindOptions = {}, how: Call = call): ReturnType<typeof kindUp> =>
  kindUp({ clusters: engine.clusters, ...ports, ...options }, how);
const code = (wanted: string) => (error: unknown) => error instanceof ClusterError && error.code === wanted;
const left = (engine: StandIns): Promise<readonly string[]> =>
  readdir(engine.clusters).then((names) => names.filter((name) => !name.startsWith(".")));

test("up makes node and registry, tells containerd and the cluster; down takes both away", async () => {
  await using engine = await standIns();
  const cluster = await up(engine, { publish: [{ host: 0, node: 30_080 }] });
  assert.deepEqual(await engine.containers(), OURS);
  const [api, registry, published] = cluster.ports;
  const config = JSON.parse(await engine.given("config"));
  assert.equal(config.networking.apiServerPort, api?.host);
  assert.deepEqual(config.nodes[0].extraPortMappings, [
    { containerPort: 30_080, hostPort: published?.host, listenAddress: "127.0.0.1", protocol: "TCP" },
  ]);
  const stdin = await engine.given("stdin");
  assert.match(stdin, /^server = "http:\/\/imgvol-registry:5000"\n/);
  assert.match(stdin, /"name": "local-registry-hosting"/);
  assert.equal(cluster.registry, `localhost:${registry?.host}`);
  assert.equal(cluster.containerd, "2.3.4");
  const told = (await engine.told()).map((line) => line.split(" ").slice(0, 3).join(" "));
  assert.deepEqual(told, [
    ...["docker container inspect", "docker container inspect"],
    ...["docker container inspect", "kind create cluster", "docker container inspect", "docker run --detach"],
    ...["docker start imgvol-control-plane", "docker exec --interactive", "docker exec imgvol-control-plane"],
    ...["docker exec --interactive", "docker exec imgvol-control-plane"],
  ]);
  assert.equal(await kindDown({ clusters: engine.clusters }, call), true);
  assert.deepEqual(await engine.containers(), []);
  assert.deepEqual(await left(engine), []);
  assert.equal(await kindDown({ clusters: engine.clusters }, call), false);
});

test("up twice makes nothing twice, and starts what was stopped", async () => {
  await using engine = await standIns();
  const first = await up(engine);
  await engine.told();
  assert.deepEqual(await up(engine), first);
  const told = await engine.told();
  assert.deepEqual(
    told.filter((line) => /^kind|^docker run/.test(line)),
    [],
  );
  assert.ok(told.includes("docker start imgvol-control-plane imgvol-registry"));
});

test("a registry that was lost is made again, with the cluster as it is", async () => {
  await using engine = await standIns();
  await up(engine);
  await engine.told();
  await engine.lose("imgvol-registry");
  await up(engine);
  assert.deepEqual(await engine.containers(), OURS);
  assert.ok(!(await engine.told()).some((line) => line.startsWith("kind create")));
});

test("up with other wishes than the cluster was made with is refused, and changes nothing", async () => {
  await using engine = await standIns();
  await up(engine);
  await engine.told();
  await assert.rejects(up(engine, { kubernetes: "1.35" }), code("cluster-up"));
  await assert.rejects(up(engine, { publish: [{ host: 0, node: 30_080 }] }), code("cluster-up"));
  assert.deepEqual(await engine.told(), []);
});

test("a dashboard without a password for the registry is refused before anything is asked", async () => {
  await using engine = await standIns();
  await assert.rejects(up(engine, { dashboard: [], htpasswd: "/htpasswd" }), code("not-supported"));
  assert.deepEqual(await engine.told(), []);
});

for (const container of OURS) {
  test(`a container ${container} of somebody else is neither used nor deleted`, async () => {
    await using engine = await standIns();
    await engine.put(container);
    await assert.rejects(up(engine), code("cluster-up"));
    assert.deepEqual(await engine.containers(), [container]);
    assert.deepEqual(await left(engine), []);
    assert.equal(await kindDown({ clusters: engine.clusters }, call), false);
    assert.deepEqual(await engine.containers(), [container]);
  });
}

test("what was made before a step failed is deleted, and the error says what the program said", async () => {
  await using engine = await standIns();
  await engine.set("fail-run", true);
  await assert.rejects(
    up(engine),
    (error) => code("cluster-failed")(error) && /start the registry.*125: no such image/.test(String(error)),
  );
  assert.deepEqual(await engine.containers(), []);
  assert.deepEqual(await left(engine), []);
});

test("what cannot be deleted after a failure is still known: down deletes it later", async () => {
  await using engine = await standIns();
  await engine.set("fail-run", true);
  await engine.set("fail-delete", true);
  await assert.rejects(
    up(engine),
    (error) => code("cluster-failed")(error) && /start the registry/.test(String(error)),
  );
  assert.deepEqual(await engine.containers(), ["imgvol-control-plane"]);
  await engine.set("fail-delete", false);
  assert.equal(await kindDown({ clusters: engine.clusters }, call), true);
  assert.deepEqual(await engine.containers(), []);
});

test("an interrupted up ends the program that runs, and deletes what it had made", async () => {
  await using engine = await standIns();
  await engine.set("hang", true);
  const stop = new AbortController();
  const ended = up(engine, {}, { signal: stop.signal });
  ended.catch(() => {});
  while (!(await engine.told()).includes("hangs")) await sleep(20);
  stop.abort();
  await assert.rejects(ended, { name: "AbortError" });
  assert.deepEqual(await engine.containers(), []);
  assert.deepEqual(await left(engine), []);
});

test("what a killed up left is half a cluster: the next up makes it anew, and down deletes it", async () => {
  await using engine = await standIns();
  const kill = async (): Promise<void> => {
    await up(engine);
    const folder = kindFolder("imgvol", engine.clusters);
    const state = await readKindState(folder);
    assert.ok(state);
    await writeKindState(folder, { ...state, whole: false });
    await engine.told();
  };
  await kill();
  const [half] = await kindStatus({ clusters: engine.clusters }, call);
  assert.equal(half?.state, "half");
  await up(engine);
  const told = (await engine.told()).filter((line) => line.startsWith("kind"));
  assert.deepEqual(
    told.map((line) => line.split(" ")[1]),
    ["delete", "create"],
  );
  await kindDown({ clusters: engine.clusters }, call);
  await kill();
  assert.equal(await kindDown({ clusters: engine.clusters }, call), true);
  assert.deepEqual(await engine.containers(), []);
});

test("status: ready, and over when the node is gone", async () => {
  await using engine = await standIns();
  assert.deepEqual(await kindStatus({ clusters: engine.clusters }, call), []);
  await up(engine, { name: "second" });
  const [ready] = await kindStatus({ clusters: engine.clusters }, call);
  assert.deepEqual([ready?.name, ready?.state, ready?.engine], ["second", "ready", "docker"]);
  await engine.lose("second-control-plane");
  const [over] = await kindStatus({ clusters: engine.clusters }, call);
  assert.equal(over?.state, "over");
});

test("no engine answers: nothing is made", async () => {
  await using engine = await standIns();
  await engine.set("no-engine", true);
  process.env["KIND_EXPERIMENTAL_PROVIDER"] = "docker";
  try {
    await assert.rejects(
      up(engine),
      (error) => code("no-engine")(error) && /docker: cannot connect to the engine/.test(String(error)),
    );
  } finally {
    delete process.env["KIND_EXPERIMENTAL_PROVIDER"];
  }
  assert.deepEqual(await engine.told(), []);
  await assert.rejects(readdir(join(engine.clusters)), { code: "ENOENT" });
});
