import type { Server } from "node:net";
import { BaseError, errno, messageOf } from "./errors.ts";
import { portHolder } from "./port-holder.ts";

/** Where a server listens. */
export interface ListenOptions {
  /** The address to listen on; a name is resolved. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The flag that changes the address, for the hint of `port-in-use`. */
  readonly flag?: string;
}

/** Has a server listen, and gives the port that it got. @throws BaseError `port-in-use`, `listen-failed` */
export async function listen(server: Server, { host, port, flag }: ListenOptions): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, exclusive: true }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    const change = flag === undefined ? "choose another port" : `choose another with ${flag}`;
    if (errno(error) !== "EADDRINUSE") {
      throw new BaseError("listen-failed", `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
        hint: errno(error) === "EACCES" ? `ports below 1024 are for root: ${change}` : change,
      });
    }
    const holder = await portHolder(port);
    throw new BaseError("port-in-use", `port ${port} on ${host} is in use${holder ? ` by ${holder}` : ""}`, {
      cause: error,
      hint: `${change} (0 takes any free one), or end the process that holds it`,
    });
  }
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
