import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, readlink, stat } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TestCluster } from "./cluster.ts";
import { processesOf } from "./processes.ts";

// Who reaches a cluster, what it reaches, and who may read it; with the gate off, which only the API server knows of.

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.start({ gateOff: true, publish: [{ host: 0, node: 30_080 }] });
});
after(() => cluster?.[Symbol.asyncDispose]());

/** Of the node: its other processes come and go while one looks. */
async function kubelet(): Promise<number> {
  const folder = join(cluster.cluster.kubeconfig, "..");
  const { id } = JSON.parse(await readFile(join(folder, "cluster.json"), "utf8"));
  const [pid] = await processesOf(id, ([program]) => program?.endsWith("/kubelet") === true);
  assert.ok(pid !== undefined);
  return pid;
}

test("no other machine reaches the cluster's ports: they are on loopback alone", async () => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const others = addresses.filter(({ family, internal }) => family === "IPv4" && !internal);
  assert.ok(others.length > 0);
  assert.equal(cluster.cluster.ports.length, 3);
  for (const { host: port } of cluster.cluster.ports) {
    assert.equal(await accepts("127.0.0.1", port), true);
    for (const { address } of others) assert.equal(await accepts(address, port), false, `${address}:${port}`);
  }
});

test("the node has a way to this machine and to its own pods and Services, and to nothing else", async () => {
  const node = await kubelet();
  assert.notEqual(await readlink(`/proc/${node}/ns/net`), await readlink("/proc/self/ns/net"));
  const ip = (words: string): string =>
    execFileSync("nsenter", ["--net", "--target", `${node}`, "ip", ...words.split(" ")], {
      encoding: "utf8",
    });
  const ways = ip("-4 route show").trim().split("\n");
  const link = cluster.cluster.node.replace(/\d+$/, "0/24");
  for (const way of ways)
    assert.ok(
      [link, "10.96.0.0/16", "10.244.0.0/24"].some((to) => way.startsWith(`${to} `)),
      way,
    );
  assert.equal(ip("-6 route show default").trim(), "");
});

test("no program of the node is given a port by chance that is another's: one took the registry's before it listened", async () => {
  const args = [
    "--net",
    "--target",
    `${await kubelet()}`,
    "cat",
    "/proc/sys/net/ipv4/ip_local_reserved_ports",
  ];
  const ranges = execFileSync("nsenter", args, { encoding: "utf8" })
    .trim()
    .split(",")
    .map((range) => range.split("-").map(Number));
  for (const { node, what } of cluster.cluster.ports) {
    const reserved = ranges.some(([first = 0, last = first]) => first <= node && node <= last);
    assert.ok(reserved, `${what}: ${node} in ${JSON.stringify(ranges)}`);
  }
});

test("tools find the registry where they look for it: KEP-1755", async () => {
  const words = ["-n", "kube-public", "configmap", "local-registry-hosting"];
  const { data } = await cluster.get<{ data: Readonly<Record<string, string>> }>(...words);
  assert.deepEqual(data, { "localRegistryHosting.v1": `host: "${cluster.cluster.registry}"\n` });
});

test("its keys are for its owner alone", async () => {
  const folder = join(cluster.cluster.kubeconfig, "..");
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const name of [
    "cluster.json",
    "kubeconfig",
    "pki/ca.key",
    "pki/admin.key",
    "node/kubelet.kubeconfig",
  ]) {
    assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name);
  }
});

test("with the gate off, a pod loses its volume, and nothing says so", async () => {
  const volumes = [{ name: "volume", image: { reference: "example.com/a:1" } }];
  const volumeMounts = [{ name: "volume", mountPath: "/volume" }];
  const containers = [{ name: "app", image: "example.com/app:1", volumeMounts }];
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "pod" }, spec: { volumes, containers } };
  const words = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
  const { spec } = JSON.parse(await cluster.kubectl(words, JSON.stringify(pod)));
  assert.equal(JSON.stringify(spec).includes("example.com/a:1"), false);
  assert.deepEqual(
    spec.containers[0].volumeMounts?.filter(
      (mount: { mountPath: string }) => mount.mountPath === "/volume",
    ) ?? [],
    [],
  );
});

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
