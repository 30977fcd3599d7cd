import { join } from "node:path";
import { type Call, runProgram } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import { openStore } from "../copy/index.ts";
import { parsePlatform, parseReference } from "../oci/index.ts";
import { pack } from "../pack/index.ts";
import { CONTAINERD_SOCKET } from "./configs.ts";

const NAME = "imgvol.invalid/pause";
const TAG = "1";
/** The image of which every pod's sandbox is. No registry has it: whoever may pull what, a pod can start. */
export const SANDBOX: string = `${NAME}:${TAG}`;

/** Packs the sandbox's program, and gives it to containerd before the first pod wants it. */
export async function importSandbox(
  programs: { readonly pause: string; readonly ctr: string },
  folder: string,
  call: Call,
): Promise<void> {
  const file = join(folder, "pause.tar");
  {
    await using store = await openStore(parseReference(`oci-archive:${file}:${TAG}`), { create: true }, call);
    const platform = parsePlatform(`linux/${process.arch === "x64" ? "amd64" : process.arch}`);
    const config = { Entrypoint: ["/pause"], User: "65535:65535" };
    await pack(
      [{ path: programs.pause, target: "pause" }],
      store,
      { platforms: [platform], config, tag: TAG },
      call,
    );
  }
  const words = ["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import"];
  const { code, stderr } = await runProgram(
    programs.ctr,
    // Named by --index-name, the image gets a second name of ctr's, by which containerd 2.1 looks for it, and in vain.
    [...words, "--base-name", NAME, file],
    {},
    call,
  );
  if (code !== 0) throw new ClusterError("cluster-failed", `ctr images import: ${stderr.trim()}`);
}
