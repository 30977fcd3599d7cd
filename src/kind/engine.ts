import { type Call, findProgram, messageOf, printableTo, runProgram } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";

/** Looked for in this order. */
const ENGINES = ["docker", "podman", "nerdctl"] as const;

/** What kind takes in {@link VARIABLE} beside them. */
const MORE = ["finch", "nerdctl.lima"];

/** By which kind is told which engine to use; so is imgvol. */
const VARIABLE = "KIND_EXPERIMENTAL_PROVIDER";

/** How long an engine may take to answer, in milliseconds: one of another machine may never do. */
const PATIENCE = 20_000;

/**
 * The container engine of this machine: the first that answers. Not the first that is installed: a client without its
 * engine is common.
 *
 * @throws ClusterError `no-engine`, telling of each why not
 */
export async function findEngine(call: Call): Promise<string> {
  const reasons: string[] = [];
  for (const engine of candidates()) {
    const reason = await whyNot(engine, call);
    if (reason === undefined) return engine;
    reasons.push(reason);
  }
  throw new ClusterError("no-engine", `no container engine answers: ${reasons.join("; ")}`, {
    hint: `start one, or install one; ${withoutEngine()}`,
    wrongUse: true,
  });
}

/** The engine that would be tried first: what a script is for, where none answers. */
export function likelyEngine(): string {
  return candidates()[0] ?? ENGINES[0];
}

function candidates(): readonly string[] {
  const wanted = process.env[VARIABLE];
  return wanted !== undefined && isEngine(wanted) ? [wanted] : ENGINES;
}

/** Whether it is one that kind knows. */
export function isEngine(name: string): boolean {
  return [...ENGINES, ...MORE].includes(name);
}

function withoutEngine(): string {
  const recipes = "--provider minikube or k3d prints how those do it";
  if (process.platform !== "linux") return recipes;
  const native = "without any, as root: imgvol cluster up --provider native";
  return `${native}; ${recipes}`;
}

async function whyNot(engine: string, call: Call): Promise<string | undefined> {
  if ((await findProgram(engine)) === undefined) return `${engine} is not on the PATH`;
  const patience = AbortSignal.timeout(PATIENCE);
  const format = engine === "podman" ? "{{.Version.Version}}" : "{{.ServerVersion}}";
  try {
    const signal = AbortSignal.any([call.signal, patience]);
    const { code, stdout, stderr } = await runProgram(engine, ["info", "--format", format], {}, { signal });
    if (code === 0 && stdout.trim() !== "") return undefined;
    const said = stderr.trim().split("\n").at(-1) ?? "";
    return `${engine}: ${said === "" ? `info ended with ${code}` : printableTo(said, 300)}`;
  } catch (error) {
    call.signal.throwIfAborted();
    if (patience.aborted) return `${engine} did not answer for ${PATIENCE / 1000} s`;
    return `${engine}: ${messageOf(error)}`;
  }
}
