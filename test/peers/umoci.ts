import { buildGo } from "./go.ts";
import type { Peer } from "./program.ts";

const module = "github.com/opencontainers/umoci";
const version = "v0.6.0";

export const umoci: Peer = {
  name: "umoci",
  version,
  fetch: (into) => buildGo(module, version, `${module}/cmd/umoci`, into),
  program: "bin/umoci",
};
