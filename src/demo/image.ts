import { join } from "node:path";
import { type Call, formatBytes, formatCount } from "../base/index.ts";
import { copy, openStore } from "../copy/index.ts";
import { type Digest, parseReference } from "../oci/index.ts";
import { pack, presetSource } from "../pack/index.ts";
import { openLayout } from "../store/index.ts";
import { commandLine } from "./command-line.ts";
import type { DemoEvents } from "./events.ts";

/** The agent's volume image, in the demo's registry. */
export interface AgentImage {
  readonly reference: string;
  readonly digest: Digest;
}

/** Fetches an agent from its home, packs it into a layout folder below `work`, and pushes it to the registry at `host`. */
export async function publishAgent(
  preset: string,
  host: string,
  work: string,
  cache: string,
  on: DemoEvents,
  call: Call,
): Promise<AgentImage> {
  await using source = await presetSource(preset, undefined, { cache }, call);
  const name = `preset:${source.name}@${source.version}`;
  const folder = join(work, "layout");
  const local = `oci:${folder}:${source.version}`;
  on.command(commandLine(["imgvol", "pack", name, "-t", local]));
  await using layout = await openLayout(folder, { create: true }, call);
  const sources = [{ tree: source.tree, name, told: source.told }];
  const packed = await pack(sources, layout, { tag: source.version }, call);
  for (const finding of packed.told) on.note(`${finding.severity}: ${finding.message}`);
  const size = packed.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
  on.note(
    `${formatCount(packed.entries, "entry", "entries")}, ${formatBytes(packed.bytes)} in ${formatBytes(size)}`,
  );

  const reference = `${host}/${source.name}:${source.version}`;
  on.command(commandLine(["imgvol", "copy", local, reference]));
  await using registry = await openStore(parseReference(reference), {}, call);
  const { digest } = await copy(layout, source.version, registry, source.version, {}, call);
  on.note(`${reference}@${digest}`);
  return { reference, digest };
}
