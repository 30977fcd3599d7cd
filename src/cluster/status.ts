import type { Call } from "../base/index.ts";
import type { ClusterError } from "./errors.ts";

export interface StatusOptions {
  /** Of this one alone. Default: of all. */
  readonly name?: string | undefined;
  /** Where the provider's clusters are kept. */
  readonly clusters?: string | undefined;
  /** Is told of each state that cannot be read, which is not in the way of the others. Default: it is said as progress. */
  readonly damaged?: ((error: ClusterError) => void) | undefined;
}

/** `half`: it is on its way, or what an `up` left that was killed; `over`: its node does not run any more. */
export type Condition = "ready" | "not ready" | "half" | "over";

/** Where nobody else asks for what is damaged. */
export function saidTo(call: Call): (error: ClusterError) => void {
  return ({ message, hint }) => call.progress?.say(`${message}; ${hint}`);
}
