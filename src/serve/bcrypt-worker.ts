import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";

/** A password to be compared, as the thread gets it. */
export interface Comparison {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

/** Its result. */
export interface Compared {
  readonly id: number;
  readonly same: boolean;
}

parentPort?.on("message", ({ id, password, hash }: Comparison) => {
  const compared: Compared = { id, same: compareSync(password, hash) };
  parentPort?.postMessage(compared);
});
