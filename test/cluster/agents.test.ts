import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { parseReference } from "../../src/oci/index.ts";
import { type Packed, pack, presetSource } from "../../src/pack/index.ts";
import { type EnvVar, findPreset, layoutNamed, switchOn, targetsFor } from "../../src/preset/index.ts";
import type { TelemetryQueries, Trace } from "../../src/telemetry/index.ts";
import { publishNodeApp, publishPythonAgent, publishPythonApp } from "./app-images.ts";
import { TestCluster } from "./cluster.ts";
import { DASHBOARD_PORT, deployDashboard } from "./dashboard.ts";
import { programs } from "./programs.ts";

const call = quietCall();
const OTLP = "http://dashboard.dashboard:4318";
const folder = await temporaryFolder(tmpdir(), "imgvol-agents-");
let cluster: TestCluster;
let queries: TelemetryQueries;

before(async () => {
  cluster = await TestCluster.start({ publish: [{ host: 0, node: DASHBOARD_PORT }] });
  queries = await deployDashboard(cluster);
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** Runs a service with an agent's volume, sends it requests by its Service's name, and waits for a trace of one. */
async function traced(
  name: string,
  args: readonly string[],
  image: string,
  agent: Agent,
  span: string,
): Promise<Trace> {
  const container = {
    name: "app",
    image,
    args,
    env: [{ name: "HOST", value: "0.0.0.0" }, ...agent.env(name)],
    volumeMounts: [{ name: "agent", mountPath: agent.mountPath }],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  const spec = {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    containers: [container],
    volumes: [{ name: "agent", image: { reference: agent.reference } }],
  };
  await cluster.apply(
    { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app: name } }, spec },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { type: "NodePort", selector: { app: name }, ports: [{ port: 8080 }] },
    },
  );
  await cluster.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=300s"]);
  const service = await cluster.get<{ spec: { ports: [{ nodePort: number }] } }>("service", name);
  const url = `http://${cluster.cluster.node}:${service.spec.ports[0].nodePort}/hello/pod`;
  // A pod is ready a moment before its Service leads to it.
  const greeting = await cluster.until(
    `answer of ${name}`,
    () =>
      fetch(url).then(
        (response) => response.text(),
        () => "",
      ),
    (text) => text !== "",
  );
  assert.equal(greeting, "Hello, pod!\n");
  const found = await cluster.until(
    `trace ${span} of ${name}`,
    () => queries.traces({ service: name, limit: 100 }),
    (traces) => traces.some((trace) => trace.name === span),
  );
  const trace = await queries.trace(found.find((t) => t.name === span)?.traceId ?? "");
  assert.ok(trace);
  await cluster.kubectl(["delete", "pod", name, "--grace-period=0", "--wait=false"]);
  return trace;
}

interface Agent {
  readonly reference: string;
  readonly digest: string;
  readonly mountPath: string;
  env(service: string): readonly EnvVar[];
}

async function published(
  reference: string,
  make: (to: string) => Promise<Packed>,
): Promise<{ reference: string; digest: string }> {
  const { digest } = await make(reference);
  return { reference: `${reference}@${digest}`, digest };
}

test("Node.js, CommonJS and ES modules, with the agent that a preset makes and switches on", async () => {
  const registry = cluster.cluster.registry;
  const preset = findPreset("otel-node");
  const layout = preset.layouts[0];
  assert.ok(layout);
  const image = `${registry}/node-app:1`;
  await publishNodeApp(image, folder.path);
  const made = await published(`${registry}/otel-node:1`, async (to) => {
    await using source = await presetSource("otel-node", undefined, { cache: programs.cache }, call);
    await using store = await openStore(parseReference(to), { create: true }, call);
    return await pack([{ tree: source.tree, name: "otel-node" }], store, { tag: "1" }, call);
  });
  const agent: Agent = {
    ...made,
    mountPath: preset.mountPath,
    env(serviceName) {
      const volume = { reference: `${registry}/otel-node:1`, digest: made.digest };
      const how = { serviceName, volume, otlp: targetsFor(OTLP), inPod: true };
      const merged = switchOn(
        preset,
        layoutNamed(preset, layout.id) ?? layout,
        { env: [], expansion: "kubelet" },
        how,
      );
      assert.ok("env" in merged);
      return [...merged.env, { name: "OTEL_BSP_SCHEDULE_DELAY", value: "200" }];
    },
  };
  for (const [name, file] of [
    ["hello-cjs", "/app/cjs/app.cjs"],
    ["hello-esm", "/app/esm/app.mjs"],
  ] as const) {
    const trace = await traced(name, [file], image, agent, "GET /hello/:name");
    assert.deepEqual(trace.sources, [
      { service: name, volume: { reference: `${registry}/otel-node:1`, digest: made.digest } },
    ]);
    const [span] = trace.records;
    assert.equal(span?.resource["k8s.pod.name"], name);
  }
});

test("Python, with an agent of pip's packages", async () => {
  const registry = cluster.cluster.registry;
  const image = `${registry}/python-app:1`;
  await publishPythonApp(image, folder.path);
  const made = await published(`${registry}/otel-python:1`, (to) => publishPythonAgent(to, folder.path));
  const mountPath = "/mnt/otel-python";
  const volume = { reference: `${registry}/otel-python:1`, digest: made.digest };
  const agent: Agent = {
    ...made,
    mountPath,
    env: (name) => [
      {
        name: "PYTHONPATH",
        value: `${mountPath}/opentelemetry/instrumentation/auto_instrumentation:${mountPath}`,
      },
      { name: "OTEL_SERVICE_NAME", value: name },
      { name: "OTEL_EXPORTER_OTLP_PROTOCOL", value: "http/protobuf" },
      { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: OTLP },
      { name: "OTEL_BSP_SCHEDULE_DELAY", value: "200" },
      {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        value: `imgvol.volume.reference=${volume.reference},imgvol.volume.digest=${volume.digest}`,
      },
    ],
  };
  const trace = await traced("hello-flask", [], image, agent, "GET /hello/<name>");
  assert.deepEqual(trace.sources, [{ service: "hello-flask", volume }]);
});
