// Each golden file is the script of one cluster, as `cluster up --provider kind --dry-run` prints it. UPDATE=1 writes them anew.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dashboardSteps } from "../../src/kind/dashboard.ts";
import type { KindSpec } from "../../src/kind/files.ts";
import { kindPlan, kindScript } from "../../src/kind/plan.ts";

const GOLDEN = join(import.meta.dirname, "golden");
const plain: KindSpec = {
  name: "imgvol",
  engine: "docker",
  version: "1.36.4",
  image: "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
  apiPort: 6443,
  registryPort: 5001,
  publish: [],
};

const SPECS: Readonly<Record<string, KindSpec>> = {
  docker: plain,
  "podman-gate-and-ports": {
    ...plain,
    name: "second",
    engine: "podman",
    version: "1.33.12",
    image: "localhost/imgvol-node:1.33",
    gate: true,
    registryPort: 5002,
    publish: [
      { host: 8080, node: 30_080 },
      { host: 18_888, node: 31_888 },
    ],
  },
  "nerdctl-passwords-and-gate-off": {
    ...plain,
    engine: "nerdctl",
    version: "1.35.8",
    image: "kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
    gate: false,
    htpasswd: "/home/a user/it's here/htpasswd",
  },
};

function compare(name: string, script: string): void {
  const file = join(GOLDEN, name);
  if (process.env["UPDATE"] === "1") writeFileSync(file, script);
  assert.ok(existsSync(file), "no golden file: run with UPDATE=1, and read what it wrote");
  assert.equal(script, readFileSync(file, "utf8"));
  const read = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
  assert.deepEqual({ status: read.status, stderr: read.stderr }, { status: 0, stderr: "" });
}

for (const [name, spec] of Object.entries(SPECS)) {
  for (const part of ["up", "down"] as const) {
    test(`golden: ${name}, ${part}`, () => {
      const plan = kindPlan(spec, "/state/a cluster/kubeconfig");
      const script = kindScript(plan, plan[part]);
      compare(`${name}.${part}.sh`, script);
    });
  }
}

test("golden: the dashboard", () => {
  const spec: KindSpec = { ...plain, publish: [{ host: 18_888, node: 31_888 }], dashboard: true };
  const plan = kindPlan(spec, "/state/kubeconfig");
  const script = kindScript(plan, dashboardSteps(spec, "localhost:5001/imgvol:dashboard", "a token"));
  compare("dashboard.up.sh", script);
});

test("every golden file is of a case", () => {
  const files = Object.keys(SPECS).flatMap((name) => [`${name}.down.sh`, `${name}.up.sh`]);
  assert.deepEqual(readdirSync(GOLDEN).sort(), [...files, "dashboard.up.sh"].sort());
});
