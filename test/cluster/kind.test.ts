// What `cluster up --provider kind` writes into a node and gives to an API server, given to real ones: no container engine is
// needed for that.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { quietCall, runProgram, temporaryFolder } from "../../src/base/index.ts";
import { registryHosting } from "../../src/cluster/index.ts";
import { addProgram, makeRoot } from "../../src/demo/app-root.ts";
import { imgvolSources } from "../../src/demo/index.ts";
import { dashboardObjects, newToken, PAGE, packDashboard } from "../../src/kind/dashboard.ts";
import { hostsToml, json, type KindSpec } from "../../src/kind/files.ts";
import { kindPlan, UNTIL_READY } from "../../src/kind/plan.ts";
import { dashboardClient } from "../../src/telemetry/index.ts";
import { TestCluster } from "./cluster.ts";
import { publish, publishTools, writeVolume } from "./images.ts";

const folder = await temporaryFolder(tmpdir(), "imgvol-kind-");
const SPEC: KindSpec = {
  name: "a",
  engine: "docker",
  version: "1.36.4",
  image: "an image",
  apiPort: 1,
  registryPort: 2,
  publish: [],
};
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start({ name: "kind-files", publish: [{ host: 0, node: PAGE }] });
  await publishTools(`${cluster.cluster.registry}/tools:1`, folder.path);
  await publish(`${cluster.cluster.registry}/volume:1`, await writeVolume(folder.path, "led here"));
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

test("the hosts.toml leads containerd to a registry by another name, for images and for image volumes", async () => {
  const name = "localhost:4999";
  const certs = join(cluster.cluster.logs, "..", "node", "certs.d", name);
  await mkdir(certs, { recursive: true });
  await writeFile(join(certs, "hosts.toml"), hostsToml(`http://${cluster.cluster.registry}`));
  const logs = await cluster.run({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "led" },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "app",
          image: `${name}/tools:1`,
          command: ["cat", "/volume/greeting"],
          volumeMounts: [{ name: "volume", mountPath: "/volume" }],
        },
      ],
      volumes: [{ name: "volume", image: { reference: `${name}/volume:1` } }],
    },
  });
  assert.equal(logs["app"], "led here\n");
});

test("the cluster takes the registry's ConfigMap, twice, and anyone who is known may read it", async () => {
  for (let i = 0; i < 2; i++) await cluster.kubectl(["apply", "-f", "-"], json(registryHosting(5001)));
  const found = await cluster.get<{ data: Record<string, string> }>(
    "configmap",
    "local-registry-hosting",
    "--namespace=kube-public",
  );
  assert.deepEqual(found.data, { "localRegistryHosting.v1": 'host: "localhost:5001"\n' });
});

test("the dashboard runs from an image volume of imgvol itself, in an image that has Node.js alone", async () => {
  const { registry, ports } = cluster.cluster;
  const root = join(folder.path, "node");
  await makeRoot(root);
  await addProgram(root, process.execPath, "/usr/bin/node", quietCall());
  await publish(`${registry}/node:1`, root, { keepModes: true, config: { Env: ["PATH=/usr/bin"] } });
  const spec = { ...SPEC, registryPort: Number(registry.split(":")[1]) };
  const volume = await packDashboard(await imgvolSources(), spec, quietCall());
  assert.equal(await packDashboard(await imgvolSources(), spec, quietCall()), volume, "twice is once");
  const token = newToken();
  const objects = JSON.stringify(dashboardObjects(volume, `${registry}/node:1`, token));
  for (let i = 0; i < 2; i++) await cluster.kubectl(["apply", "-f", "-"], objects);
  await cluster.kubectl(["-n", "dashboard", "rollout", "status", "deployment/dashboard", "--timeout=300s"]);
  const page = ports.find(({ node }) => node === PAGE);
  const queries = dashboardClient({ origin: `http://127.0.0.1:${page?.host}`, token }, quietCall());
  const services = await cluster.until(
    "answer of the dashboard",
    () => queries.services().catch(() => undefined),
    (found) => found !== undefined,
  );
  assert.deepEqual(services, []);
});

test("the wait for the node ends when it is ready", async () => {
  const { kubectl, kubeconfig } = cluster.cluster;
  const script = UNTIL_READY.replace(
    "kubectl --kubeconfig /etc/kubernetes/admin.conf",
    `${kubectl} --kubeconfig ${kubeconfig} --cache-dir ${join(folder.path, "kubectl-cache")}`,
  );
  const { code, stdout } = await runProgram("timeout", ["60", "sh", "-c", script], {}, quietCall());
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "node/imgvol-node condition met\n" });
});

test("what writes the hosts.toml into a node does so with the node's shell", async () => {
  const plan = kindPlan(SPEC, "/kubeconfig");
  const step = plan.up.find(({ what }) => what === "tell containerd where the registry is");
  const words = step?.run.slice(step.run.indexOf("sh")) ?? [];
  const target = join(folder.path, "certs.d", "localhost:2");
  const [shell = "", ...args] = words.map((word) => (word.startsWith("/etc/containerd") ? target : word));
  for (let i = 0; i < 2; i++) {
    const { code } = await runProgram(shell, args, { input: step?.input ?? "" }, quietCall());
    assert.equal(code, 0);
  }
  const { stdout } = await runProgram("cat", [join(target, "hosts.toml")], {}, quietCall());
  assert.equal(stdout, 'server = "http://a-registry:5000"\n');
});
