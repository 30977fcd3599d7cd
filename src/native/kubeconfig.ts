import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterUser } from "./pki.ts";

/**
 * Writes the kubeconfig of one user: with everything in it, so that it can be carried away.
 *
 * @param server the API server's URL
 */
export async function writeKubeconfig(
  path: string,
  { name, pki, user, server }: { name: string; pki: string; user: ClusterUser; server: string },
): Promise<void> {
  const base64 = async (file: string): Promise<string> =>
    (await readFile(join(pki, file))).toString("base64");
  const context = `imgvol-${name}`;
  // JSON is YAML, and needs no care for quotes.
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: context, cluster: { server, "certificate-authority-data": await base64("ca.crt") } }],
    users: [
      {
        name: context,
        user: {
          "client-certificate-data": await base64(`${user}.crt`),
          "client-key-data": await base64(`${user}.key`),
        },
      },
    ],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    "current-context": context,
  };
  await writeFile(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
