import { createServer } from "node:net";
import { BaseError, listen } from "../base/index.ts";

/**
 * A free port of 127.0.0.1: the one that is asked for, or, for 0, any.
 *
 * @param taken those that belong to a cluster already, whether it runs or not; the port is added
 * @throws BaseError `port-in-use`
 */
export async function freePort(wanted: number, flag: string, taken: Set<number>): Promise<number> {
  if (wanted !== 0 && taken.has(wanted)) {
    throw new BaseError(
      "port-in-use",
      `port ${wanted} is another's of this cluster, or of one that is there`,
      {
        hint: `choose another with ${flag} (0 takes any free one); imgvol cluster status --json has those of the clusters`,
      },
    );
  }
  const server = createServer();
  const got = await listen(server, { host: "127.0.0.1", port: wanted, flag });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (wanted === 0 && taken.has(got)) return await freePort(wanted, flag, taken);
  taken.add(got);
  return got;
}
