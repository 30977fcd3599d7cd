import type { Call } from "../base/index.ts";
import { parsePlatform, parseReference } from "../oci/index.ts";
import { writeImage } from "../pack/index.ts";
import { openStore } from "../store/index.ts";
import { fileTree, writeLayer } from "../tree/index.ts";

/** The image of which every pod's sandbox is, in the cluster's registry. */
export const SANDBOX = "imgvol/pause:1";

/** Packs the sandbox's program and pushes it to the cluster's registry, before the first pod wants it. */
export async function publishSandbox(program: string, port: number, call: Call): Promise<void> {
  await using store = await openStore(parseReference(`localhost:${port}/${SANDBOX}`), { create: true }, call);
  const layer = await writeLayer(store, fileTree(program, {}, "pause"), { compression: "auto" }, call);
  const platform = parsePlatform(`linux/${process.arch === "x64" ? "amd64" : process.arch}`);
  const config = { Entrypoint: ["/pause"], User: "65535:65535" };
  const image = await writeImage(store, [layer], { platforms: [platform], config }, call);
  await store.tag("1", image, call);
}
