import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder, quietCall, runProgram } from "../base/index.ts";
import { ClusterError, registryHosting } from "../cluster/index.ts";
import { addressesOf, linkNames } from "./addresses.ts";
import { isReady, openApi, until } from "./api.ts";
import { cgroupName } from "./cgroups.ts";
import {
  apiServer,
  containerd,
  controllerManager,
  dns,
  etcd,
  kubelet,
  proxy,
  scheduler,
} from "./components.ts";
import { RunningComponents } from "./components-running.ts";
import {
  baseObjects,
  CONTAINERD_SOCKET,
  cniConfig,
  containerdConfig,
  corefile,
  kubeletConfig,
} from "./configs.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { OWN_FOLDERS } from "./mount-points.ts";
import { nodeFolder } from "./node-folder.ts";
import { NODE, userName, users } from "./pki.ts";
import { importSandbox, SANDBOX } from "./sandbox.ts";
import type { ClusterFolder } from "./state.ts";
import { type ClusterState, portOf } from "./state-format.ts";

/** How long the node may take to be ready, in milliseconds: a hundred times what it takes on a machine that is idle. */
const PATIENCE = 480_000;

/**
 * Makes the node, in namespaces of its own, and keeps it running: it returns only by an error.
 *
 * @throws ClusterError `cluster-failed`
 */
export async function startNode(
  folder: ClusterFolder,
  state: ClusterState,
  tell: (step: string) => void,
): Promise<never> {
  const call = quietCall(AbortSignal.timeout(PATIENCE));
  const addresses = addressesOf(state.network);
  const at = nodeFolder(folder);
  const port = (what: "api" | "registry"): number => portOf(state, what).node;
  const program = (name: string): string => state.programs[name] ?? name;
  const path = `${join(program("nft"), "..")}:${process.env["PATH"]}`;
  const env = { PATH: path, HOME: at.path, IMGVOL_CLUSTER: state.id, TMPDIR: join(at.path, "tmp") };

  system("hostname", NODE);
  for (const own of OWN_FOLDERS) system("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", own);
  await Promise.all([makeFolder("/run/lock"), makeFolder(env.TMPDIR), makeFolder(at.cniConf)]);
  system("ip", "link", "set", "lo", "up");
  const { node: link } = linkNames(state);
  await until(async () => (works("ip", "link", "show", link) ? true : undefined), call, 10);
  system("ip", "address", "add", `${addresses.node}/24`, "dev", link);
  system("ip", "link", "set", link, "up");
  // No default route: the cluster has no way out, and no machine but this one has a way in. Services are addresses that the
  // kernel must know a way to before kube-proxy's rules lead them to pods.
  system("ip", "route", "add", addresses.services, "via", addresses.host);
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  // A port that was free on this machine may be one that the kernel gives to a program of the node that asks for any.
  const ours = state.ports.map(({ node }) => node).join(",");
  await writeFile("/proc/sys/net/ipv4/ip_local_reserved_ports", ours);

  for (const user of users) {
    const server = `https://127.0.0.1:${port("api")}`;
    await writeKubeconfig(at.kubeconfig(user), { name: state.name, pki: folder.pki, user, server });
  }
  const programs = { runc: program("runc"), shim: program("containerd-shim-runc-v2"), cni: state.cni };
  await writeFile(at.containerd, containerdConfig(at.path, programs, SANDBOX));
  await writeFile(join(at.cniConf, "10-imgvol.conflist"), JSON.stringify(cniConfig(at.path, addresses)));
  await writeFile(
    at.kubelet,
    JSON.stringify(kubeletConfig(at.path, folder.pki, addresses, cgroupName(state))),
  );
  await writeFile(at.corefile, corefile(at.kubeconfig("dns"), addresses));
  await writeFile(at.resolv, `nameserver ${addresses.dns}\n`);

  const running = new RunningComponents(folder.logs);
  const start = (component: Parameters<RunningComponents["start"]>[0]): void =>
    running.start(component, program(component.program), env);
  const registry = fileURLToPath(new URL("./registry-process.ts", import.meta.url));
  running.start({ name: "registry", program: "node", args: [registry] }, process.execPath, process.env);
  start(containerd(at));
  start(etcd(at));
  start(apiServer(folder.pki, addresses, port("api"), state.gateOff ? "1.34" : undefined));
  let reached = "its programs were started";
  const step = (what: string): void => {
    reached = what;
    tell(what);
  };
  const ready = async (): Promise<void> => {
    using api = await openApi("127.0.0.1", port("api"), folder.pki);
    await until(() => api.get("/readyz", call), call);
    step("the API server is ready");
    start(controllerManager(folder.pki, at.kubeconfig("controller-manager")));
    start(scheduler(at.kubeconfig("scheduler")));
    await until(() => listens({ path: CONTAINERD_SOCKET }), call, 20);
    await importSandbox({ pause: program("pause"), ctr: program("ctr") }, at.path, call);
    step("containerd is ready");
    start(kubelet(at, at.kubeconfig("kubelet"), addresses));
    const create = (objects: unknown): Promise<void> =>
      kubectl(program("kubectl"), at.kubeconfig("admin"), objects);
    await create(baseObjects(addresses, userName("dns"), userName("proxy")));
    start(proxy(at.kubeconfig("proxy")));
    start(dns(at));
    await until(async () => {
      const node = await api.get(`/api/v1/nodes/${NODE}`, call);
      return node === undefined ? undefined : isReady(node);
    }, call);
    step("the node is ready");
    await until(() => listens({ port: port("registry"), host: "127.0.0.1" }), call, 20);
    await until(() => api.get("/api/v1/namespaces/default/serviceaccounts/default", call), call);
    await until(() => api.get("/api/v1/namespaces/kube-public", call), call);
    await create(registryHosting(port("registry")));
    await writeFile(folder.ready, "");
    tell("ready");
  };
  const inTime = ready().catch((error: unknown) => {
    if (!call.signal.aborted) throw error;
    throw new ClusterError("cluster-failed", `no more after ${PATIENCE / 1000} s than: ${reached}`);
  });
  await Promise.race([inTime, running.ended]);
  return await running.ended;
}

async function kubectl(program: string, kubeconfig: string, objects: unknown): Promise<void> {
  const args = ["--kubeconfig", kubeconfig, "create", "--validate=false", "-f", "-"];
  const { code, stderr } = await runProgram(program, args, { input: JSON.stringify(objects) }, quietCall());
  if (code !== 0) throw new Error(`kubectl create failed: ${stderr.trim()}`);
}

function works(file: string, ...args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

/** Runs one of the system's own programs. */
function system(file: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0)
    throw new Error(`${file} ${args.join(" ")}: ${error?.message ?? stderr.toString().trim()}`);
}

function listens(
  where: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(where);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(undefined));
  });
}
