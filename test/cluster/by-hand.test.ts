import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { publishJavaApp } from "../../src/demo/cluster-images.ts";
import { javaProgram } from "../../src/demo/java-tools.ts";
import { parseReference } from "../../src/oci/index.ts";
import { pack, presetSource } from "../../src/pack/index.ts";
import type { TelemetryQueries } from "../../src/telemetry/index.ts";
import { exportTo } from "../../src/volume/index.ts";
import { run } from "../peers/program.ts";
import { publishByHand, pushFolder } from "./by-hand-script.ts";
import { type Container, type Pod, TestCluster } from "./cluster.ts";
import { DASHBOARD_PORT, deployDashboard } from "./dashboard.ts";
import { publish, publishTools } from "./images.ts";
import { programs } from "./programs.ts";

// What docs/by-hand.md says goes wrong with volumes made by hand, on a real kubelet.

const call = quietCall();
const folder = await temporaryFolder(tmpdir(), "imgvol-by-hand-");
let cluster: TestCluster;
let queries: TelemetryQueries;
let at = "";
/** A folder with a file, and with a folder that has one. */
let files = "";

before(async () => {
  cluster = await TestCluster.start({ publish: [{ host: 0, node: DASHBOARD_PORT }] });
  at = cluster.cluster.registry;
  files = join(folder.path, "files");
  await mkdir(join(files, "lib"), { recursive: true });
  await writeFile(join(files, "agent.properties"), "level=info\n");
  await writeFile(join(files, "lib", "extension"), "nested\n");
  await publishTools(`${at}/tools:1`, folder.path);
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const MOUNT = "/mnt/javaagent";

function pod(name: string, reference: string, containers: readonly Container[]): Pod {
  const volumes = [{ name: "volume", image: { reference, pullPolicy: "IfNotPresent" } }];
  const spec = { restartPolicy: "Never", automountServiceAccountToken: false, volumes, containers };
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec };
}

/** A container that looks at the volume as a user. */
function looking(name: string, script: string, runAsUser: number): Container {
  const volumeMounts = [{ name: "volume", mountPath: MOUNT }];
  const command = ["sh", "-c", `${script} 2>&1; true`];
  return { name, image: `${at}/tools:1`, command, volumeMounts, securityContext: { runAsUser } };
}

/** A container with a JVM that does nothing, and an agent that sends its metrics. */
function java(agent: string, env: Readonly<Record<string, string>> = {}): Container {
  const all = {
    JAVA_TOOL_OPTIONS: `-javaagent:${MOUNT}/${agent}`,
    OTEL_SERVICE_NAME: "by-hand",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
    ...env,
  };
  return {
    name: "app",
    image: `${at}/hello-spring:1`,
    env: Object.entries(all).map(([name, value]) => ({ name, value })),
    volumeMounts: [{ name: "volume", mountPath: MOUNT, readOnly: true }],
  };
}

const remove = (name: string): Promise<string> =>
  cluster.kubectl(["delete", "pod", name, "--grace-period=0", "--wait=false"]);

/** The messages of a pod's events, when one of them is like this. */
async function events(name: string, like: RegExp): Promise<void> {
  const field = `involvedObject.name=${name}`;
  await cluster.until(
    `event like ${like}`,
    () => cluster.get<{ items: { message: string }[] }>("events", "--field-selector", field),
    ({ items }) => items.some(({ message }) => like.test(message)),
  );
}

test("one file: the volume is there, for root and for an ordinary user", async () => {
  await publishByHand(`${at}/by-hand:file`, files, ["agent.properties"], folder.path);
  const script = `cat ${MOUNT}/agent.properties`;
  const containers = [looking("root", script, 0), looking("user", script, 1000)];
  const logs = await cluster.run(pod("file", `${at}/by-hand:file`, containers));
  assert.deepEqual(logs, { root: "level=info\n", user: "level=info\n" });
});

test("--mode=0444 takes folders away from everyone but root; packed, they are for all", async () => {
  await publishByHand(`${at}/by-hand:folder`, files, ["agent.properties", "lib"], folder.path);
  await publish(`${at}/packed:folder`, files);
  const script = `cat ${MOUNT}/lib/extension`;
  const containers = [looking("root", script, 0), looking("user", script, 1000)];
  const byHand = await cluster.run(pod("folder", `${at}/by-hand:folder`, containers));
  assert.equal(byHand["root"], "nested\n");
  assert.match(byHand["user"] ?? "", /lib\/extension: Permission denied/);
  const packed = await cluster.run(pod("packed", `${at}/packed:folder`, containers));
  assert.deepEqual(packed, { root: "nested\n", user: "nested\n" });
});

test("the tar has today's date and times of reading in it, and the manifest has now; packed, none of them", async () => {
  const list = async (work: string): Promise<string> =>
    (await run("tar", ["tv", "--full-time", "--utc", "-f", join(work, "kept.tar")])).stdout;
  const zero = await publishByHand(`${at}/by-hand:times`, files, ["lib"], folder.path);
  assert.doesNotMatch(await list(zero), /1970-01-01/);
  const epoch = await publishByHand(`${at}/by-hand:times`, files, ["lib"], folder.path, { mtime: "@0" });
  assert.match(await list(epoch), /1970-01-01 00:00:00 lib\/extension/);
  // The same files, copied again: nothing but the times differ.
  const again = await publishByHand(`${at}/by-hand:times`, files, ["lib"], folder.path, { mtime: "@0" });
  assert.notDeepEqual(await readFile(join(epoch, "kept.tar")), await readFile(join(again, "kept.tar")));
  const response = await fetch(`http://${at}/v2/by-hand/manifests/times`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  assert.match(await response.text(), /"org\.opencontainers\.image\.created":"20/);
  const [one, other] = [await publish(`${at}/packed:one`, zero), await publish(`${at}/packed:one`, zero)];
  assert.equal(one.digest, other.digest);
});

for (const [name, make, said] of [
  [
    "diff-id",
    (to: string) =>
      publishByHand(to, files, ["agent.properties"], folder.path, { diffIdOf: "gzip" }).then(() => undefined),
    /wrong diff id/,
  ],
  ["no-config", (to: string) => pushFolder(to, files), /mismatched image rootfs and manifest layers/],
] as const) {
  test(`what was wrong at the push is found at the mount: ${name}`, async () => {
    const reference = `${at}/by-hand:${name}`;
    await make(reference);
    await cluster.apply(pod(name, reference, [looking("app", "true", 0)]));
    await events(name, said);
    await remove(name);
  });
}

test("the agent", async (t) => {
  queries = await deployDashboard(cluster);
  await makeIdleApp();
  const agent = await agentFile();
  const reference = `${at}/opentelemetry-javaagent:v2.15.0`;
  await publishByHand(reference, agent, ["opentelemetry-javaagent.jar"], folder.path);
  const JAR = "opentelemetry-javaagent.jar";
  const logLike = (name: string, like: RegExp): Promise<string> =>
    cluster.until(
      `line like ${like} in the log of ${name}`,
      () => cluster.kubectl(["logs", name]).catch(() => ""),
      (log) => like.test(log),
    );

  await t.test("to port 4317 it sends nothing that arrives, and the app runs", async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://dashboard.dashboard:4317" };
    await cluster.apply(pod("port", reference, [java(JAR, env)]));
    await logLike("port", /Failed to export/);
    const log = await logLike("port", /is likely incorrect for protocol version "http\/protobuf"/);
    // Our dashboard tells such a sender what is wrong; others cut the connection.
    assert.match(log, /this port speaks OTLP\/gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc/);
    const { status } = await cluster.get<{ status: { phase: string } }>("pod", "port");
    assert.equal(status.phase, "Running");
    assert.deepEqual(await queries.services(), []);
    await remove("port");
  });

  await t.test("to 4318, or to 4317 with the protocol named, it arrives", async () => {
    for (const [name, env] of [
      ["http", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://dashboard.dashboard:4318" }],
      [
        "grpc",
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://dashboard.dashboard:4317",
          OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        },
      ],
    ] as const) {
      await cluster.apply(pod(name, reference, [java(JAR, { ...env, OTEL_SERVICE_NAME: name })]));
      await cluster.until(
        `telemetry of ${name}`,
        async () => await queries.services(),
        (services) => services.some((service) => service.name === name),
      );
      await remove(name);
    }
  });

  await t.test(
    "a wrong path, and a volume that no container mounts, stop the app with the same words",
    async () => {
      const unmounted = { ...java(JAR), volumeMounts: [] };
      for (const [name, container, path] of [
        ["path", java("agent.jar"), `${MOUNT}/agent.jar`],
        ["unmounted", unmounted, `${MOUNT}/${JAR}`],
      ] as const) {
        await cluster.apply(pod(name, reference, [container]));
        const log = await logLike(name, /agent library failed to init: instrument/);
        assert.ok(log.includes(`Error opening zip file or JAR manifest missing : ${path}`), log);
        await remove(name);
      }
    },
  );
});

/** The agent as it is published. @returns its folder */
async function agentFile(): Promise<string> {
  const into = join(folder.path, "agent");
  await using source = await presetSource("otel-java", "2.15.0", { cache: programs.cache }, call);
  const layout = parseReference(`oci:${join(folder.path, "layout")}:1`);
  await using store = await openStore(layout, { create: true }, call);
  await pack([{ tree: source.tree, name: "otel-java" }], store, { tag: "1" }, call);
  await exportTo(store, "1", into, {}, call);
  return into;
}

/** An app that only waits, as an image: what an agent does by itself is all that there is to see. */
async function makeIdleApp(): Promise<void> {
  const work = join(folder.path, "idle");
  await mkdir(work);
  const source =
    "class Idle { public static void main(String[] args) throws Exception { Thread.sleep(600_000); } }";
  await writeFile(join(work, "Idle.java"), source);
  await run(javaProgram("javac", process.env), ["Idle.java"], { cwd: work });
  const jar = join(work, "idle.jar");
  await run("jar", ["--create", "--file", jar, "--main-class", "Idle", "Idle.class"], { cwd: work });
  const on = { command() {}, note() {}, output() {} };
  await publishJavaApp(jar, { registry: at, cache: programs.cache, env: process.env, on }, call);
}

test("gate off: the API server drops volume and mount without a word, and keeps the variable", async () => {
  // Of the same name, beside the other: they share nothing.
  await using old = await TestCluster.start({ gateOff: true });
  const made = pod("dropped", "localhost:5001/opentelemetry-javaagent:v2.15.0", [java("agent.jar")]);
  const said = await old.kubectl(
    ["create", "--dry-run=server", "-o", "json", "-f", "-"],
    JSON.stringify(made),
  );
  const { spec } = JSON.parse(said);
  assert.deepEqual(spec.volumes ?? [], []);
  const [{ volumeMounts = [], env }] = spec.containers;
  assert.deepEqual(volumeMounts, []);
  assert.equal(env[0].value, `-javaagent:${MOUNT}/agent.jar`);
  // The same words, where the gate is on.
  const kept = await cluster.kubectl(
    ["create", "--dry-run=server", "-o", "json", "-f", "-"],
    JSON.stringify(made),
  );
  assert.equal(
    JSON.parse(kept).spec.volumes[0].image.reference,
    "localhost:5001/opentelemetry-javaagent:v2.15.0",
  );
});
