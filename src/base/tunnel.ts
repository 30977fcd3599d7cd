import type { Agent, AgentOptions, RequestOptions } from "node:https";
import { isIP, type Socket } from "node:net";
import { literalAddress } from "./address.ts";
import { BaseError, messageOf } from "./errors.ts";
import { nodeHttp, nodeHttps } from "./node-http.ts";
import { isTemporary } from "./patience.ts";
import { proxyAuthorization } from "./proxy.ts";

const CONNECT_TIMEOUT = 30_000;

/** An agent for https URLs behind a proxy: asks it for a tunnel (RFC 9110, section 9.3.6) and speaks TLS through that. */
export function tunnelAgent(proxy: URL, options: AgentOptions): Agent {
  const agent = new (nodeHttps().Agent)(options);
  const secured = agent.createConnection.bind(agent);
  agent.createConnection = (to: RequestOptions, callback): undefined => {
    const done = callback as ((error: Error | null, socket?: unknown) => void) | undefined;
    openTunnel(proxy, `${to.host}:${to.port}`).then(
      (socket) => {
        try {
          const { host: servername } = to;
          const name = servername && isIP(servername) === 0 ? { servername } : {};
          done?.(null, secured({ ...name, ...to, ...{ socket } }));
        } catch (error) {
          done?.(error as Error);
        }
      },
      (error: Error) => done?.(error),
    );
    return undefined;
  };
  return agent;
}

function openTunnel(proxy: URL, authority: string): Promise<Socket> {
  const what = `the proxy ${proxy.host}`;
  const hint = "check HTTPS_PROXY and NO_PROXY";
  const connect = (proxy.protocol === "https:" ? nodeHttps() : nodeHttp()).request({
    host: literalAddress(proxy.hostname) ?? proxy.hostname,
    port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy) },
    timeout: CONNECT_TIMEOUT,
    agent: false,
  });
  return new Promise((resolve, reject) => {
    const refuse = (status: number | undefined): void => {
      const known = proxy.username === "" ? "put user:password@ into" : "check the user and password in";
      const next = status === 407 ? `${known} the proxy's URL (HTTPS_PROXY)` : hint;
      const message = `${what} refused a tunnel to ${authority}: ${status}`;
      // What it does not allow, it will not allow in a second; a gateway's trouble may pass.
      const final = status !== undefined && status >= 400 && status < 500 && !isTemporary(status);
      reject(new BaseError(final ? "proxy-refused" : "connection-failed", message, { hint: next }));
    };
    connect.once("connect", (response, socket, head) => {
      if (response.statusCode === 200 && head.length === 0) return resolve(socket as Socket);
      socket.destroy();
      refuse(response.statusCode);
    });
    connect.once("response", (response) => {
      response.destroy();
      refuse(response.statusCode);
    });
    connect.once("timeout", () => connect.destroy(new Error("no answer")));
    connect.once("error", (cause) => {
      const message = `cannot reach ${what} for ${authority}: ${messageOf(cause)}`;
      reject(new BaseError("connection-failed", message, { hint, cause }));
    });
    connect.end();
  });
}
