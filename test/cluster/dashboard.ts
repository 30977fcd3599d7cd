import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { publishDashboard } from "../../src/demo/cluster-images.ts";
import { dashboardClient, type TelemetryQueries } from "../../src/telemetry/index.ts";
import { HERE, type TestCluster } from "./cluster.ts";
import { programs } from "./programs.ts";

const call = quietCall();
const TOKEN = "a token of these tests alone";

/** The node's port of the dashboard's page: a cluster of a test has to publish it. */
export const DASHBOARD_PORT = 31_888;

/** Runs the dashboard as a pod, as the example does: `dashboard.dashboard:4317` and `:4318`. @returns what asks it */
export async function deployDashboard(cluster: TestCluster): Promise<TelemetryQueries> {
  const { registry, ports } = cluster.cluster;
  const on = { command() {}, note() {}, output() {} };
  await publishDashboard({ registry, cache: programs.cache, env: process.env, on }, "work", call);
  const metadata = { name: "dashboard" };
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata });
  const secret = { metadata: { ...metadata, namespace: "dashboard" }, stringData: { token: TOKEN } };
  await cluster.apply({ apiVersion: "v1", kind: "Secret", ...secret });
  const example = await readFile(join(HERE, "examples/spring-kubernetes/dashboard.yaml"), "utf8");
  await cluster.kubectl(["apply", "-f", "-"], example.replaceAll("localhost:5001", registry));
  await cluster.kubectl(["-n", "dashboard", "rollout", "status", "deployment/dashboard", "--timeout=120s"]);
  const page = ports.find((port) => port.node === DASHBOARD_PORT);
  return dashboardClient({ origin: `http://127.0.0.1:${page?.host}`, token: TOKEN }, call);
}
