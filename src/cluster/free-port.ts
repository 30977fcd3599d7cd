import { createServer } from "node:net";
import { listen } from "../base/index.ts";

/**
 * A free port of 127.0.0.1: the one that is asked for, or, for 0, any.
 *
 * @param taken those that belong to a cluster already, whether it runs or not; the port is added
 * @throws BaseError `port-in-use`
 */
export async function freePort(wanted: number, flag: string, taken: Set<number>): Promise<number> {
  const server = createServer();
  const got = await listen(server, { host: "127.0.0.1", port: wanted, flag });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (wanted === 0 && taken.has(got)) return await freePort(wanted, flag, taken);
  taken.add(got);
  return got;
}
