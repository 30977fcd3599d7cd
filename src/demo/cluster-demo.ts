import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  BaseError,
  type Call,
  discard,
  quietCall,
  ResourceStack,
  request,
  temporaryFolder,
} from "../base/index.ts";
import { shellEnvironment } from "../cluster/index.ts";
import { checkMachine, type NativeCluster, nativeDown, nativeUp } from "../native/index.ts";
import { dashboardClient } from "../telemetry/index.ts";
import { defaultCacheFolder } from "../volume/index.ts";
import { latestTrace } from "./arrived.ts";
import { publishDashboard, publishJavaApp } from "./cluster-images.ts";
import { commandLine } from "./command-line.ts";
import type { Demo, DemoOptions, DemoResult } from "./demo.ts";
import { DemoError } from "./errors.ts";
import { copyExample } from "./example.ts";
import { publishAgent } from "./image.ts";
import { Kubectl } from "./kubectl.ts";
import { demoManifest } from "./manifest.ts";
import { mavenPackage } from "./maven.ts";
import { sendRequests } from "./requests.ts";
import { waitForTelemetry } from "./wait.ts";

export interface ClusterDemoOptions extends DemoOptions {
  /** A folder that has the cluster's programs; without it, they are built where they are missing. */
  readonly bin?: string | undefined;
}

const MANIFESTS = fileURLToPath(new URL("../../examples/spring-kubernetes/", import.meta.url));

const AGENT = "otel-java";
const HELLO = { name: "hello-spring", nodePort: 30_080, span: "GET /hello/{name}" } as const;
const PAGE = 31_888;

/**
 * The journey on a real cluster of this machine: the app as a Deployment, its agent as an image volume that the kubelet mounts,
 * the dashboard as a pod.
 *
 * @throws DemoError; what the steps throw. Nothing of it runs on then.
 */
export async function runClusterDemo(options: ClusterDemoOptions, call: Call): Promise<Demo> {
  if (options.app === "node") {
    throw new DemoError("app-unknown", "there is no demo node on a cluster", {
      hint: "imgvol demo spring --cluster, or imgvol demo node on this machine itself",
      wrongUse: true,
    });
  }
  const held = new ResourceStack();
  try {
    const shown = await steps(options, held, call);
    return { ...shown, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

async function steps(options: ClusterDemoOptions, held: ResourceStack, call: Call): Promise<DemoResult> {
  const { on, env = process.env, cache = defaultCacheFolder() } = options;
  on.note("demo spring, on a cluster of this machine");
  await checkMachine("on this machine itself: imgvol demo spring");
  const { path: work } = held.keep(await temporaryFolder(tmpdir(), "imgvol-demo-"));
  const home = join(work, "app");
  await copyExample("spring", home, on, call);
  await mavenPackage(join(home, "pom.xml"), env, on, call);

  const cluster = held.keep(await ownCluster({ ...options, cache }, call));
  const images = { registry: cluster.registry, cache, env, on };
  const agent = await publishAgent(AGENT, cluster.registry, work, cache, on, call);
  await publishJavaApp(join(home, "target", "hello.jar"), images, call);
  await publishDashboard(images, work, call);

  const kubectl = new Kubectl(cluster, on);
  const token = randomBytes(18).toString("base64url");
  const secret = join(work, "token");
  await writeFile(secret, token, { mode: 0o600 });
  await kubectl.done(["create", "namespace", "dashboard"], call);
  const create = ["-n", "dashboard", "create", "secret", "generic", "dashboard"];
  await kubectl.done([...create, `--from-file=token=${secret}`], call);
  for (const file of ["dashboard.yaml", "hello.yaml"]) {
    const at = join(work, file);
    const text = await readFile(join(MANIFESTS, file), "utf8");
    await writeFile(at, demoManifest(text, file, cluster.registry, agent));
    await kubectl.done(["apply", "-f", at], call);
  }
  await kubectl.rolledOut("dashboard", "dashboard", call);
  await kubectl.rolledOut("hello", HELLO.name, call);

  const service = { ...HELLO, argv: [HELLO.name], listening: /^$/ } as const;
  const url = published(cluster, HELLO.nodePort);
  await reached(url, call);
  await sendRequests({ service, url }, on, call);
  const origin = published(cluster, PAGE);
  const queries = dashboardClient({ origin, token }, call);
  const watched = {
    services: [service],
    ended: [],
    news: (c: Call) => sleep(500, undefined, { signal: c.signal }),
    said: () => kubectl.logs("hello", HELLO.name, call),
  };
  const telemetry = await waitForTelemetry(watched, AGENT, queries, on, call);
  const trace = await latestTrace(service, queries);
  return {
    app: "spring",
    volume: agent,
    dashboard: `${origin}/login?t=${encodeURIComponent(token)}`,
    services: telemetry,
    traces: trace === undefined ? [] : [trace],
  };
}

/** A cluster for this demo alone, on free ports. Dispose: ends it. */
async function ownCluster(
  { bin, cache, on }: ClusterDemoOptions & { readonly cache: string },
  call: Call,
): Promise<NativeCluster & AsyncDisposable> {
  const name = `demo-${randomBytes(3).toString("hex")}`;
  const ports = ["--api-port", "0", "--registry-port", "0"];
  const more = [HELLO.nodePort, PAGE].flatMap((node) => ["--publish", `0:${node}`]);
  const programs = bin === undefined ? [] : ["--bin", bin];
  on.command(commandLine(["imgvol", "cluster", "up", "--name", name, ...ports, ...more, ...programs]));
  const publish = [HELLO.nodePort, PAGE].map((node) => ({ host: 0, node }));
  const cluster = await nativeUp({ name, bin, cache, apiPort: 0, registryPort: 0, publish }, call);
  on.note(`Kubernetes ${cluster.kubernetes}, containerd ${cluster.containerd}; registry ${cluster.registry}`);
  for (const line of await shellEnvironment(cluster)) on.command(line);
  return {
    ...cluster,
    async [Symbol.asyncDispose]() {
      await nativeDown({ name }, quietCall());
    },
  };
}

/** A pod is ready a moment before its Service leads to it. */
async function reached(url: string, call: Call): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await discard(await request({ method: "GET", url: new URL(url) }, call));
      return;
    } catch (error) {
      if (!(error instanceof BaseError && error.code === "connection-failed") || tries === 100) throw error;
      await sleep(100, undefined, { signal: call.signal });
    }
  }
}

function published({ ports }: NativeCluster, nodePort: number): string {
  const port = ports.find(({ node, what }) => what === "published" && node === nodePort);
  return `http://127.0.0.1:${port?.host}`;
}
