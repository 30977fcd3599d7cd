import { DemoError } from "./errors.ts";
import type { AgentImage } from "./image.ts";

/** In the example's manifests: what a demo has under another address. */
const EXAMPLE_REGISTRY = "localhost:5001";

/** Where a manifest names an image: a container's, or a volume's. */
const IMAGE = /\b(?:image|reference):[ \t]+(\S+)/g;

/**
 * A manifest of the example with the demo's registry, and the agent's volume pinned to its digest.
 *
 * @param file its name, for the error
 * @param registry `host:port`
 * @throws DemoError `example-missing` where it names an image of another registry: the demo's cluster would wait for it in vain
 */
export function demoManifest(text: string, file: string, registry: string, agent: AgentImage): string {
  const made = text
    .replaceAll(EXAMPLE_REGISTRY, registry)
    .replace(/(imgvol\.volume\.reference)=\S+/, `$1=${agent.reference},imgvol.volume.digest=${agent.digest}`)
    .replace(/(reference: )\S+/, `$1${agent.reference}@${agent.digest}`);
  const images = [...made.matchAll(IMAGE)].map(([, image = ""]) => image.replace(/^(["'])(.*)\1$/, "$2"));
  const foreign = images.find((image) => !image.startsWith(`${registry}/`));
  if (foreign === undefined && images.length > 0) return made;
  throw new DemoError(
    "example-missing",
    `${file} names ${foreign ?? "no image"}, not one of ${EXAMPLE_REGISTRY}`,
    {
      hint: "the demo's images are in its own registry, and the cluster reaches no other: install imgvol again",
    },
  );
}
