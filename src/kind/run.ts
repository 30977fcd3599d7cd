import { type Call, findProgram, printableTo, type Ran, runProgram } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import { KIND } from "./image.ts";
import type { KindPlan, Step } from "./plan.ts";

/** @throws ClusterError `program-missing` */
export async function findKind(): Promise<void> {
  if ((await findProgram("kind")) !== undefined) return;
  throw new ClusterError("program-missing", "kind is not on the PATH", {
    hint: `install it (go install sigs.k8s.io/kind@v${KIND}, or https://kind.sigs.k8s.io), or see --dry-run`,
  });
}

/**
 * Does what the plan says, step by step.
 *
 * @throws ClusterError `cluster-failed`, with what the program said last
 */
export async function runSteps(plan: KindPlan, steps: readonly Step[], call: Call): Promise<void> {
  for (const step of steps) {
    const { what, run, input, unless, when } = step;
    if (unless !== undefined && (await succeeds(plan, unless, call))) continue;
    if (when !== undefined && !(await succeeds(plan, when, call))) continue;
    const task = call.progress?.start(what);
    try {
      const { code, stderr } = await runCommand(plan, run, input, call);
      if (code !== 0) throw failed(step, code, stderr);
      task?.done();
    } catch (error) {
      task?.failed();
      throw error;
    }
  }
}

/** Whether a program of the plan ends with 0. */
export async function succeeds(plan: KindPlan, run: readonly string[], call: Call): Promise<boolean> {
  return (await runCommand(plan, run, undefined, call)).code === 0;
}

/** Runs one program of the plan. */
export function runCommand(
  { env }: KindPlan,
  [file = "", ...args]: readonly string[],
  input: string | undefined,
  call: Call,
): Promise<Ran> {
  return runProgram(file, args, { env, ...(input === undefined ? {} : { input }) }, call);
}

function failed({ what, run }: Step, code: number, stderr: string): ClusterError {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const said = printableTo(lines.slice(-3).join("; "), 600);
  const command = run.slice(0, 3).join(" ");
  return new ClusterError("cluster-failed", `could not ${what}: ${command} ended with ${code}: ${said}`);
}
