import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quietCall, runProgram } from "../../src/base/index.ts";
import { KIND } from "../../src/kind/image.ts";
import { buildGoFile } from "./go.ts";
import { type Peer, programOf } from "./program.ts";

const source = join(import.meta.dirname, "kind/main.go");
const digest = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 8);

/** kind's own parser of cluster configs, in a program of ours. */
export const kind: Peer = {
  name: "kind",
  version: `${KIND}-${digest}`,
  fetch: (into) =>
    buildGoFile(source, "kind", "sigs.k8s.io/kind", `v${KIND}`, into, "sigs.k8s.io/kind/pkg/cluster/imgvol"),
  program: "bin/kind",
};

/** What kind makes of a config. */
export interface KindRead {
  readonly name: string;
  readonly apiPort: number;
  readonly address: string;
  readonly nodes: readonly {
    readonly role: string;
    readonly image: string;
    readonly ports: readonly {
      readonly container: number;
      readonly host: number;
      readonly address: string;
    }[];
  }[];
  /** The lines of kubeadm's config that name the gate ImageVolume. */
  readonly gates: readonly string[];
  /** The image that this release of kind takes by itself. */
  readonly default: string;
}

/** @param version of Kubernetes, as kubeadm is told of it @throws with what kind says of a config that it refuses */
export async function readKindConfig(config: string, version: string): Promise<KindRead> {
  const program = await programOf(kind);
  const { code, stdout, stderr } = await runProgram(program, [`v${version}`], { input: config }, quietCall());
  if (code !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
}
