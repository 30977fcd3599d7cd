import { createServer } from "node:net";
import { BaseError, listen } from "../base/index.ts";

/** Ports of this machine that are somebody's, whether they listen or not, and whose: words for a sentence. */
export type TakenPorts = Map<number, string>;

/**
 * A free port of 127.0.0.1: the one that is asked for, or, for 0, any.
 *
 * @param taken the port is added
 * @throws BaseError `port-in-use`
 */
export async function freePort(wanted: number, flag: string, taken: TakenPorts): Promise<number> {
  const whose = taken.get(wanted);
  if (wanted !== 0 && whose !== undefined) {
    throw new BaseError("port-in-use", `port ${wanted} is taken already, by ${whose}`, {
      hint: `choose another with ${flag} (0 takes any free one)`,
    });
  }
  const server = createServer();
  const got = await listen(server, { host: "127.0.0.1", port: wanted, flag });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (wanted === 0 && taken.has(got)) return await freePort(wanted, flag, taken);
  taken.set(got, flag);
  return got;
}
