import { buildGo } from "./go.ts";
import type { Peer } from "./program.ts";

const version = "v0.11.7";

export const regctl: Peer = {
  name: "regctl",
  version,
  fetch: (into) =>
    buildGo("github.com/regclient/regclient", version, "github.com/regclient/regclient/cmd/regctl", into),
  program: "bin/regctl",
};
