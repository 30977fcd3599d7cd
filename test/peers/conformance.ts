import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo } from "./go.ts";
import { type Peer, programOf, run } from "./program.ts";

const module = "github.com/opencontainers/distribution-spec/conformance";
const version = "v0.0.0-20260831232431-97274622c111";

/** The distribution-spec's own conformance program. */
export const conformance: Peer = {
  name: "conformance",
  version,
  fetch: (into) => buildGo(module, version, module, into),
  program: "bin/conformance",
};

export interface Conformity {
  readonly tests: number;
  readonly failures: number;
  readonly errors: number;
  readonly skipped: number;
  /** Groups that the chosen version of the spec leaves out. */
  readonly disabled: number;
  /** One line a test that did not pass. */
  readonly told: readonly string[];
}

/** Runs every test of a version of the spec against the registry at `host`. */
export async function conform(host: string, env: Readonly<Record<string, string>>): Promise<Conformity> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-conformance-"));
  try {
    const { stdout } = await run(await programOf(conformance), [], {
      cwd: folder,
      env: { OCI_REGISTRY: host, OCI_TLS: "disabled", OCI_RESULTS_DIR: folder, ...env },
      codes: [0, 1],
    });
    // The program ends with 0 after a configuration that it could not use, too: only its results count.
    const suite = /<testsuite [^>]*>/.exec(await readFile(join(folder, "junit.xml"), "utf8"))?.[0] ?? "";
    const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
    return {
      tests: count("tests"),
      failures: count("failures"),
      errors: count("errors"),
      skipped: count("skipped"),
      disabled: count("disabled"),
      told: stdout.split("\n").filter((line) => /: (FAIL|Fail|Error|Skip)/.test(line)),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
