// Fetches every peer of the suites up front, so that no test's time is that of a build: `node test/peers/fetch.ts`.
import { availableParallelism } from "node:os";
import { chromium } from "./chromium.ts";
import { conformance } from "./conformance.ts";
import { containerd } from "./containerd.ts";
import { crane } from "./crane.ts";
import { distribution } from "./distribution.ts";
import { dockerRegistry } from "./docker-registry.ts";
import { kind } from "./kind.ts";
import { nodeRelease } from "./node.ts";
import { olareg } from "./olareg.ts";
import { oras } from "./oras.ts";
import { podman } from "./podman.ts";
import { type Peer, programOf } from "./program.ts";
import { regctl } from "./regctl.ts";
import { releaseOf } from "./release.ts";
import { schema } from "./schema.ts";
import { skopeo } from "./skopeo.ts";
import { umoci } from "./umoci.ts";

/** The longest first. */
const peers: Peer[] = [
  distribution,
  crane,
  oras,
  umoci,
  regctl,
  olareg,
  conformance,
  schema,
  kind,
  skopeo,
  podman,
  dockerRegistry,
  containerd,
  chromium,
  nodeRelease("22.18.0"),
  nodeRelease("20.20.0"),
];

/** A Go build takes every core by itself: two at a time are for the waits of downloads. */
const workers = Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
  for (let peer = peers.shift(); peer !== undefined; peer = peers.shift()) {
    const since = performance.now();
    await programOf(peer);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    console.log(`${peer.name} ${await releaseOf(peer)}: ${seconds} s`);
  }
});
await Promise.all(workers);
