import { buildGo } from "./go.ts";
import type { Peer } from "./program.ts";

const version = "v1.3.6";

export const oras: Peer = {
  name: "oras",
  version,
  fetch: (into) => buildGo("oras.land/oras", version, "oras.land/oras/cmd/oras", into),
  program: "bin/oras",
};
