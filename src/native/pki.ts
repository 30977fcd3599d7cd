import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../base/index.ts";
import type { Addresses } from "./addresses.ts";
import { authority, leaf, type Pair } from "./certificate.ts";

/** The name of the one node. */
export const NODE = "imgvol-node";

/** Who speaks with the API server, and the groups that it is of. */
const USERS: Readonly<Record<ClusterUser, readonly [name: string, group: string | undefined]>> = {
  admin: ["imgvol-admin", "system:masters"],
  "controller-manager": ["system:kube-controller-manager", undefined],
  scheduler: ["system:kube-scheduler", undefined],
  kubelet: [`system:node:${NODE}`, "system:nodes"],
  proxy: ["system:kube-proxy", undefined],
  dns: ["imgvol:dns", undefined],
};

export type ClusterUser = "admin" | "controller-manager" | "scheduler" | "kubelet" | "proxy" | "dns";
export const users: readonly ClusterUser[] = [
  "admin",
  "controller-manager",
  "scheduler",
  "kubelet",
  "proxy",
  "dns",
];

/** The name by which RBAC knows a user. */
export function userName(user: ClusterUser): string {
  return USERS[user][0];
}

/** Writes the certificates and keys of a new cluster into `folder`. */
export async function writePki(folder: string, { node, api }: Addresses, now: Date): Promise<void> {
  await makeFolder(folder, 0o700);
  const put = async (name: string, pair: Pair): Promise<void> => {
    await writeFile(join(folder, `${name}.crt`), pair.certificate);
    await writeFile(join(folder, `${name}.key`), pair.key, { mode: 0o600 });
  };
  const issuer = { commonName: `imgvol ${randomBytes(4).toString("hex")}` };
  const ca = authority(issuer, now);
  await put("ca", ca);
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const names = ["localhost", "127.0.0.1", node, api, ...service, "kubernetes.default.svc.cluster.local"];
  const server = { subject: { commonName: "kube-apiserver" }, usage: "server", names } as const;
  await put("apiserver", leaf(ca, issuer, server, now));
  const toKubelet = { commonName: "kube-apiserver-kubelet-client", organization: "system:masters" };
  await put("kubelet-client", leaf(ca, issuer, { subject: toKubelet, usage: "client" }, now));
  for (const user of users) {
    const [commonName, group] = USERS[user];
    const subject = group === undefined ? { commonName } : { commonName, organization: group };
    await put(user, leaf(ca, issuer, { subject, usage: "client" }, now));
  }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signing = privateKey.export({ type: "pkcs8", format: "pem" });
  await writeFile(join(folder, "service-accounts.key"), signing, { mode: 0o600 });
  const verifying = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
  await writeFile(join(folder, "service-accounts.pub"), verifying);
}
