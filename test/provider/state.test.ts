import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, realpath, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { defaultProvider, providersOf } from "../../src/cli/cluster-provider.ts";
import { ClusterError, lockClusters, shellEnvironment, tellOldKubectl } from "../../src/cluster/index.ts";
import {
  kindClustersFolder,
  kindFolder,
  listKindStates,
  readKindState,
  writeKindState,
} from "../../src/kind/state.ts";
import { clusterFolder, clustersFolder, listStates, readState, writeState } from "../../src/native/state.ts";
import type { ClusterState } from "../../src/native/state-format.ts";

const code = (wanted: string) => (error: unknown) => error instanceof ClusterError && error.code === wanted;

const FOLDERS = [
  [{ XDG_STATE_HOME: "/state", HOME: "/home/a" }, "/state/imgvol"],
  [{ XDG_STATE_HOME: "state", HOME: "/home/a" }, "/home/a/.local/state/imgvol"],
  [{ XDG_STATE_HOME: "", HOME: "/home/a" }, "/home/a/.local/state/imgvol"],
  [{ HOME: "/home/a" }, "/home/a/.local/state/imgvol"],
] as const;

for (const [env, base] of FOLDERS) {
  test(`clusters are kept below ${base} with ${JSON.stringify(env)}`, () => {
    assert.equal(clustersFolder(env), `${base}/clusters`);
    assert.equal(kindClustersFolder(env), `${base}/kind`);
  });
}

for (const name of ["a", "a-b", "0", "x".repeat(32)]) {
  test(`${name} is a cluster's name`, () => {
    assert.equal(clusterFolder(name, "/c").path, join("/c", name));
    assert.equal(kindFolder(name, "/c").path, join("/c", name));
  });
}

for (const name of ["", ".", "..", "a/b", "../a", "-a", "a-", "A", "a b", "a.b", "x".repeat(33), "a\n"]) {
  test(`${JSON.stringify(name)} is none`, () => {
    assert.throws(() => clusterFolder(name, "/c"), code("name-invalid"));
    assert.throws(() => kindFolder(name, "/c"), code("name-invalid"));
  });
}

const native: ClusterState = {
  name: "one",
  id: "01234567-89ab-cdef-0123-456789abcdef",
  folder: "/elsewhere",
  kubernetes: "1.36.3",
  containerd: "2.3.7",
  created: "2026-11-23T00:00:00.000Z",
  network: 3,
  ports: [{ host: 6443, node: 6443, what: "api" }],
  gateOff: false,
  programs: {},
  cni: "/cni",
};
const kind = {
  spec: {
    name: "one",
    engine: "podman",
    version: "1.36.4",
    image: "kindest/node:v1.36.4",
    apiPort: 6443,
    registryPort: 5001,
    publish: [],
  },
  created: native.created,
  whole: true,
};

test("a state is read as it was written, by its owner alone; who has which name is known", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-state-");
  const clusters = { native: join(folder.path, "clusters"), kind: join(folder.path, "kind") };
  assert.deepEqual(await listStates(clusters.native), []);
  assert.deepEqual(await providersOf("one", clusters), []);
  const at = clusterFolder("one", clusters.native);
  const state = { ...native, folder: join(await realpath(folder.path), "clusters", "one") };
  await writeState(at, state);
  assert.deepEqual(await readState(at), state);
  assert.equal((await stat(at.state)).mode & 0o777, 0o600);
  assert.equal((await stat(at.path)).mode & 0o777, 0o700);
  assert.deepEqual(await providersOf("one", clusters), ["native"]);
  await writeKindState(kindFolder("one", clusters.kind), kind);
  assert.deepEqual(await providersOf("one", clusters), ["native", "kind"]);
  assert.deepEqual(await providersOf("two", clusters), []);
  // What is not a cluster's folder: logs of one that failed, and locks.
  await mkdir(join(clusters.native, "one.log"));
  await writeFile(join(clusters.native, ".lock"), "");
  assert.deepEqual(await listStates(clusters.native), [state]);
  assert.deepEqual(await listKindStates(clusters.kind), [kind]);
});

test("a lock is waited for, and its file goes with the last one who holds it", async () => {
  await using clusters = await temporaryFolder(tmpdir(), "imgvol-state-");
  const said: string[] = [];
  const order: string[] = [];
  const progress = {
    start: () => ({ advance() {}, done() {}, failed() {} }),
    say: (text: string) => void said.push(text),
  };
  const first = await lockClusters(clusters.path, { ...quietCall(), progress });
  const waiting = [1, 2].map(async () => {
    await using _held = await lockClusters(clusters.path, { ...quietCall(), progress });
    order.push("second");
  });
  order.push("first");
  await first[Symbol.asyncDispose]();
  await Promise.all(waiting);
  assert.deepEqual(order, ["first", "second", "second"]);
  assert.deepEqual(await readdir(clusters.path), []);
});

const DAMAGED: Readonly<Record<string, string>> = {
  "is cut off": "{",
  "says something else": "[]",
  "is a copy of another's": JSON.stringify({ ...native, folder: "/elsewhere" }),
  "is of a cluster of another name": JSON.stringify({ ...kind, spec: { ...kind.spec, name: "two" } }),
  "names a program of its own as the engine": JSON.stringify({
    ...kind,
    spec: { ...kind.spec, engine: "/bin/sh" },
  }),
};

for (const [how, text] of Object.entries(DAMAGED)) {
  test(`a state that ${how} is an error, not a cluster that is not there`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-state-");
    const [at, kindAt] = [clusterFolder("one", folder.path), kindFolder("one", folder.path)];
    await mkdir(at.path);
    await writeFile(at.state, text);
    await writeFile(kindAt.state, text);
    await assert.rejects(readState(at), code("cluster-unknown"));
    await assert.rejects(readKindState(kindAt), code("cluster-unknown"));
  });
}

test("a shell is told where the kubeconfig is, and the kubectl where it has none", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-shell-");
  const bin = join(folder.path, "a bin");
  await mkdir(bin);
  await writeFile(join(bin, "kubectl"), '#!/bin/sh\necho "$KUBECONFIG"\n', { mode: 0o755 });
  const cluster = { kubeconfig: join(folder.path, "kube config"), kubectl: join(bin, "kubectl") };
  const path = process.env["PATH"];
  const nothing = join(folder.path, "nothing");
  try {
    process.env["PATH"] = nothing;
    const lines = await shellEnvironment(cluster);
    const env = { PATH: nothing };
    const script = `eval "$LINES"; kubectl; echo "$PATH"`;
    const said = execFileSync("/bin/sh", ["-c", script], {
      env: { ...env, LINES: lines.join("\n") },
      encoding: "utf8",
    });
    assert.equal(said, `${cluster.kubeconfig}\n${nothing}:${bin}\n`);
    assert.equal(
      (await shellEnvironment({ kubeconfig: "/kubeconfig" })).join(),
      "export KUBECONFIG=/kubeconfig",
    );
    process.env["PATH"] = bin;
    assert.equal((await shellEnvironment(cluster)).length, 1);
  } finally {
    process.env["PATH"] = path;
  }
});

test("a kubectl that is too old for the cluster is told", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-shell-");
  const path = process.env["PATH"];
  const said: string[] = [];
  const progress = {
    start: () => ({ advance() {}, done() {}, failed() {} }),
    say: (t: string) => void said.push(t),
  };
  try {
    process.env["PATH"] = `${folder.path}:${path}`;
    for (const minor of [32, 34, 35, 37]) {
      const json = `{"clientVersion": {"gitVersion": "v1.${minor}.0"}}`;
      await writeFile(join(folder.path, "kubectl"), `#!/bin/sh\necho '${json}'\n`, { mode: 0o755 });
      await tellOldKubectl({ kubernetes: "1.36.3", kubectl: "/own/kubectl" }, { ...quietCall(), progress });
    }
    assert.deepEqual(
      said,
      [32, 34].map(
        (minor) =>
          `${folder.path}/kubectl is of Kubernetes 1.${minor}, too old for this cluster: take /own/kubectl`,
      ),
    );
  } finally {
    process.env["PATH"] = path;
  }
});

test("the provider where none is named", () => {
  assert.equal(defaultProvider("linux", 0).provider, "native");
  assert.deepEqual(defaultProvider("linux", 1000), { provider: "kind", why: "native needs root" });
  assert.equal(defaultProvider("darwin", 0).provider, "kind");
  assert.equal(defaultProvider("win32", undefined).provider, "kind");
});
