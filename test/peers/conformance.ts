import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../src/base/index.ts";
import { buildGo } from "./go.ts";
import { type Peer, programOf, run } from "./program.ts";

const module = "github.com/opencontainers/distribution-spec/conformance";
const version = "v0.0.0-20260831232431-97274622c111";

/** Where the reports stay for people to read: never committed. */
const REPORTS: string = join(import.meta.dirname, "../../.cache/conformance");

/** The distribution-spec's own conformance program. */
export const conformance: Peer = {
  name: "conformance",
  version,
  fetch: (into) => buildGo(module, version, module, into),
  program: "bin/conformance",
};

export interface Conformity {
  readonly tests: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Groups that the chosen version of the spec leaves out. */
  readonly disabled: number;
  /** What became of each kind of content: Pass, FAIL (of one test at least), Skip, Disabled. */
  readonly content: ReadonlyMap<string, string>;
  /** One line a test that did not pass. */
  readonly told: readonly string[];
  /** The folder with report.html, results.yaml and junit.xml. */
  readonly report: string;
}

export interface ConformOptions {
  /** Whose report it is: a part of its folder's name. */
  readonly name: string;
  readonly version: "1.1" | "dev";
  /** Also push images and indexes that lack parts; a registry may refuse those. */
  readonly sparse: boolean;
}

/** Runs every test of a version of the spec against the registry at `host`. */
export async function conform(host: string, options: ConformOptions): Promise<Conformity> {
  const { name, version, sparse } = options;
  const report = join(REPORTS, `${name}-${version}`);
  // An old report must not speak for a run that wrote none: the program ends with 0 then, too.
  await rm(report, { recursive: true, force: true });
  await makeFolder(report);
  const { stdout } = await run(await programOf(conformance), [], {
    cwd: report,
    env: {
      OCI_REGISTRY: host,
      OCI_TLS: "disabled",
      OCI_VERSION: version,
      OCI_DATA_SPARSE: String(sparse),
      OCI_RESULTS_DIR: report,
    },
    codes: [0, 1],
  });
  const suite = /<testsuite [^>]*>/.exec(await readFile(join(report, "junit.xml"), "utf8"))?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const [tests, skipped, disabled] = [count("tests"), count("skipped"), count("disabled")];
  const failed = count("failures") + count("errors");
  return {
    tests,
    passed: tests - failed - skipped - disabled,
    failed,
    skipped,
    disabled,
    content: contentOf(await readFile(join(report, "results.yaml"), "utf8")),
    told: stdout.split("\n").filter((line) => /: (FAIL|Fail|Error|Skip)/.test(line)),
    report,
  };
}

/** The list `data` at the end of results.yaml, one `name: result` a line. */
function contentOf(results: string): ReadonlyMap<string, string> {
  const told = results.slice(results.search(/^data:$/m));
  return new Map(
    [...told.matchAll(/^ {2}(\S.*): (\w+)$/gm)].map(([, name = "", result = ""]) => [name, result]),
  );
}
