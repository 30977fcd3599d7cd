import { connect, createServer } from "node:net";
import { listen } from "../base/index.ts";

/**
 * Listens on a port of 127.0.0.1, and joins each connection with one to `to`.
 *
 * @throws BaseError `port-in-use`, `listen-failed`
 */
export async function leadPort(
  port: number,
  to: { readonly host: string; readonly port: number },
): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => {
    const outside = connect({ ...to, allowHalfOpen: true, noDelay: true });
    inside.pipe(outside);
    outside.pipe(inside);
    inside.on("error", () => outside.destroy());
    outside.on("error", () => inside.destroy());
    inside.on("close", () => outside.destroy());
    outside.on("close", () => inside.destroy());
  });
  await listen(server, { host: "127.0.0.1", port });
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
