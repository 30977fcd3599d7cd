import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy, openStore } from "../../src/copy/index.ts";
import { parseReference } from "../../src/oci/index.ts";
import { type Container, type Pod, TestCluster } from "./cluster.ts";
import { publish, publishTools, writeLarge, writeVolume } from "./images.ts";

const folder = await temporaryFolder(tmpdir(), "imgvol-images-");
let cluster: TestCluster;
let at = "";

before(async () => {
  cluster = await TestCluster.start();
  at = cluster.cluster.registry;
  await publishTools(`${at}/tools:1`, folder.path);
  await publish(`${at}/volume:1`, await writeVolume(folder.path, "hello"));
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const LOOK =
  'cd /volume && cat greeting link "sub/deep/ünïcode name" && ./run.sh && touch x 2>&1 || echo "exit $?"';
const SEEN = "hello\nhello\nnamed\nran\ntouch: cannot touch 'x': Read-only file system\nexit 1\n";

function container(name: string, script: string, more: object = {}): Container {
  const volumeMounts = [{ name: "volume", mountPath: "/volume" }];
  return { name, image: `${at}/tools:1`, command: ["sh", "-c", script], volumeMounts, ...more };
}

function pod(name: string, reference: string, containers: readonly Container[], more: object = {}): Pod {
  const volumes = [{ name: "volume", image: { reference, pullPolicy: "IfNotPresent" } }];
  const spec = { restartPolicy: "Never", automountServiceAccountToken: false, volumes, containers, ...more };
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec };
}

/** What was asked of the registry for a repository: manifests and blobs that it gave. */
async function pulls(repository: string): Promise<number> {
  const log = await readFile(join(cluster.cluster.logs, "registry.log"), "utf8");
  const lines = log
    .trimEnd()
    .split("\n")
    // Beside exchanges, which are JSON, there is what its operator should know.
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  return lines.filter(
    (l) => l.method === "GET" && l.status === 200 && l.path.startsWith(`/v2/${repository}/`),
  ).length;
}

test("a volume is seen as it was packed, and is read-only", async () => {
  const logs = await cluster.run(pod("whole", `${at}/volume:1`, [container("app", LOOK)]));
  assert.equal(logs["app"], SEEN);
});

test("every compression, an index and a single manifest", async () => {
  const root = await writeVolume(folder.path, "hello");
  for (const [name, options] of [
    ["gzip", { format: { compression: "gzip" } }],
    ["zstd", { format: { compression: "zstd" } }],
    ["none", { format: { compression: "none" } }],
    ["single", { platforms: "none" }],
  ] as const) {
    await publish(`${at}/forms:${name}`, root, options);
    const logs = await cluster.run(pod(name, `${at}/forms:${name}`, [container("app", LOOK)]));
    assert.equal(logs["app"], SEEN, name);
  }
});

test("an init container and two containers share a volume; one of them sees a folder of it", async () => {
  const sub = { volumeMounts: [{ name: "volume", mountPath: "/volume", subPath: "sub" }] };
  const initContainers = [container("first", "cat /volume/greeting")];
  const containers = [
    container("whole", "cat /volume/sub/inner"),
    container("part", "ls /volume; cat /volume/inner", sub),
  ];
  const logs = await cluster.run(pod("shared", `${at}/volume:1`, containers, { initContainers }));
  assert.deepEqual(logs, { first: "hello\n", whole: "inner\n", part: "deep\ninner\ninner\n" });
});

test("an ordinary user in a namespace of PodSecurity restricted", async () => {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "restricted", labels } });
  await cluster.until(
    "ServiceAccount",
    () => cluster.get<{ items: unknown[] }>("serviceaccounts", "-n", "restricted"),
    ({ items }) => items.length > 0,
  );
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  const app = container("app", `id -u; ${LOOK}; sleep 600`, { securityContext: security });
  const securityContext = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
  const made = pod("restricted", `${at}/volume:1`, [app], { securityContext });
  await cluster.apply({ ...made, metadata: { name: "restricted", namespace: "restricted" } });
  const log = await cluster.until(
    "log of the restricted pod",
    () => cluster.kubectl(["logs", "-n", "restricted", "restricted"]).catch(() => ""),
    (text) => text.includes("exit 1"),
  );
  assert.equal(log, `1000\n${SEEN}`);
  await cluster.kubectl(["delete", "namespace", "restricted", "--wait=false"]);
});

test("a second pod and a restarted container take the volume that is on the node", async () => {
  const reference = `${at}/cached:1`;
  await publish(reference, await writeVolume(folder.path, "cached"));
  const script = "cat /volume/greeting; sleep 2; exit 1";
  const restarting = pod("restarting", reference, [container("app", script)], { restartPolicy: "Always" });
  await cluster.apply(restarting);
  interface Restarts {
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }
  await cluster.until(
    "restart",
    () => cluster.get<Restarts>("pod", "restarting"),
    ({ status }) => (status.containerStatuses?.[0]?.restartCount ?? 0) > 0,
  );
  const once = await pulls("cached");
  const logs = await cluster.run(pod("second", reference, [container("app", "cat /volume/greeting")]));
  assert.equal(logs["app"], "cached\n");
  assert.equal(await pulls("cached"), once);
  await cluster.kubectl(["delete", "pod", "restarting", "--grace-period=0", "--wait=false"]);
});

test("a new tag reaches new pods, and no pod that runs", async () => {
  const reference = `${at}/moving:1`;
  await publish(reference, await writeVolume(folder.path, "old"));
  const made = pod("running", reference, [container("app", "sleep 600")]);
  await cluster.apply(made);
  await cluster.kubectl(["wait", "pod/running", "--for=condition=Ready", "--timeout=300s"]);
  await publish(`${at}/moving:2`, await writeVolume(folder.path, "new"));
  const logs = await cluster.run(pod("newer", `${at}/moving:2`, [container("app", "cat /volume/greeting")]));
  assert.equal(logs["app"], "new\n");
  assert.equal(await cluster.kubectl(["exec", "running", "--", "cat", "/volume/greeting"]), "old\n");
  await cluster.kubectl(["delete", "pod", "running", "--grace-period=0", "--wait=false"]);
});

test("half a gigabyte", async () => {
  const { root, sha256 } = await writeLarge(folder.path, 500_000_000);
  await publish(`${at}/large:1`, root);
  const logs = await cluster.run(
    pod("large", `${at}/large:1`, [container("app", "sha256sum < /volume/data")]),
  );
  assert.equal(logs["app"], `${sha256}  -\n`);
});

test("a Service is found by its name", async () => {
  const logs = await cluster.run(
    pod("names", `${at}/volume:1`, [
      container("app", "getent hosts kubernetes.default.svc.cluster.local; getent hosts kubernetes.default"),
    ]),
  );
  assert.match(
    logs["app"] ?? "",
    /^10\.96\.0\.1 +kubernetes\.default\.svc\.cluster\.local\n10\.96\.0\.1 +kubernetes\.default/,
  );
});

test("what went through an archive mounts as well", async () => {
  const call = quietCall();
  await using from = await openStore(parseReference(`${at}/volume:1`), {}, call);
  await using to = await openStore(
    parseReference(`oci-archive:${folder.path}/carried.tar:1`),
    { create: true },
    call,
  );
  await copy(from, "1", to, "1", {}, call);
  await using again = await openStore(parseReference(`${at}/carried:1`), {}, call);
  await copy(to, "1", again, "1", {}, call);
  const logs = await cluster.run(pod("carried", `${at}/carried:1`, [container("app", LOOK)]));
  assert.equal(logs["app"], SEEN);
});
