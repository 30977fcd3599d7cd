import type { Agent } from "node:http";
import type { Socket } from "node:net";
import { BaseError } from "./errors.ts";

/** Has an agent give up connections that are not made, TLS included, after so many milliseconds. */
export function limitConnecting(agent: Agent, milliseconds: number): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback) as Socket | null | undefined;
    // Behind a proxy the tunnel has a limit of its own.
    if (socket === null || socket === undefined) return socket;
    const timer = setTimeout(() => {
      const where = `${options.host}:${options.port}`;
      socket.destroy(
        new BaseError("connection-failed", `${where}: no connection within ${milliseconds / 1000} s`, {
          hint: "check the host and the connection",
        }),
      );
    }, milliseconds);
    timer.unref();
    const stop = (): void => clearTimeout(timer);
    socket.once("encrypted" in socket ? "secureConnect" : "connect", stop);
    socket.once("close", stop);
    return socket;
  };
}
