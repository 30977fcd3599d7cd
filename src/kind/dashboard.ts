import { randomBytes } from "node:crypto";
import type { Call } from "../base/index.ts";
import { openStore } from "../copy/index.ts";
import { parseReference } from "../oci/index.ts";
import { pack, type Source } from "../pack/index.ts";
import { json, type KindSpec } from "./files.ts";
import { kubectlIn, type Step } from "./plan.ts";

/** Any image with a Node.js that imgvol runs on: imgvol itself comes as an image volume, and is the same for every processor. */
const NODE_IMAGE = "docker.io/library/node:24-slim";

/** The NodePort of its page. */
export const PAGE = 31_888;

const NAME = "dashboard";

/** Where imgvol's files are in the container. */
const VOLUME = "/imgvol";

/** Packs imgvol's own files into the cluster's registry. @returns the reference, by digest */
export async function packDashboard(
  sources: readonly Source[],
  { registryPort }: KindSpec,
  call: Call,
): Promise<string> {
  const repository = `localhost:${registryPort}/imgvol`;
  const parsed = parseReference(`${repository}:${NAME}`);
  await using store = await openStore(parsed, { create: true }, call);
  const { digest } = await pack(sources, store, { tag: parsed.tag }, call);
  return `${repository}@${digest}`;
}

/** What a page's address carries. */
export function newToken(): string {
  return randomBytes(18).toString("base64url");
}

/** @param token without one, the dashboard makes its own at each start, and its log says it */
export function dashboardSteps(spec: KindSpec, volume: string, token?: string): readonly Step[] {
  return [
    {
      what: "put the dashboard into the cluster; imgvol has packed itself as its volume before",
      run: kubectlIn(spec, "apply", "-f", "-"),
      input: json(dashboardObjects(volume, NODE_IMAGE, token)),
    },
    {
      what: "wait for the dashboard",
      run: kubectlIn(spec, "rollout", "status", `deployment/${NAME}`, "--namespace", NAME, "--timeout=300s"),
    },
  ];
}

/**
 * The dashboard: OTLP at `dashboard.dashboard`, 4317 (gRPC) and 4318 (HTTP); the page at NodePort {@link PAGE}.
 *
 * @param volume the image of imgvol's own files
 */
export function dashboardObjects(volume: string, image: string, token?: string): unknown {
  const metadata = { name: NAME, namespace: NAME };
  const labels = { app: NAME };
  const ports = { "otlp-grpc": 4317, "otlp-http": 4318, page: 18_888 };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData: { token } };
  const container = {
    name: NAME,
    image,
    command: ["node", `${VOLUME}/opt/imgvol/node_modules/imgvol/bin/imgvol.cjs`, "dashboard"],
    args: ["--host", "0.0.0.0", "--allow-host", `${NAME}.${NAME}`],
    env: [
      {
        name: "IMGVOL_DASHBOARD_TOKEN",
        valueFrom: { secretKeyRef: { name: NAME, key: "token", optional: true } },
      },
    ],
    ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })),
    readinessProbe: { tcpSocket: { port: "page" }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "imgvol", mountPath: VOLUME },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
  const pod = {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
    volumes: [
      { name: "imgvol", image: { reference: volume } },
      { name: "tmp", emptyDir: {} },
    ],
  };
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAME } },
      ...(token === undefined ? [] : [secret]),
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata,
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata,
        spec: {
          type: "NodePort",
          selector: labels,
          ports: Object.entries(ports).map(([name, port]) => ({
            name,
            port,
            targetPort: name,
            ...(name === "page" ? { nodePort: PAGE } : {}),
          })),
        },
      },
    ],
  };
}
