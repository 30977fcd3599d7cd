import { isLoopback } from "../base/index.ts";

/** How a registry is started, as far as it decides who may come. */
export interface Openness {
  readonly host: string;
  readonly allowHosts?: readonly string[];
  readonly tls?: { readonly clientCa?: string | undefined };
  readonly htpasswd?: string;
  readonly readOnly?: boolean;
  readonly mirror?: object;
}

/** What an operator should know before anybody comes from the network, a sentence each; nothing on loopback. */
export function* startWarnings(options: Openness): Iterable<string> {
  const { host, allowHosts = [], tls, htpasswd, readOnly = false, mirror } = options;
  if (isLoopback(host)) return;
  if (allowHosts.length === 0) {
    yield "warning: who comes under another name than localhost is answered 421: name those that clients use with --allow-host";
  }
  if (htpasswd !== undefined && tls === undefined) {
    yield "warning: passwords cross the network in clear: speak HTTPS with --tls-cert, or behind a proxy that does";
  }
  const mayPush = !readOnly && mirror === undefined;
  if (mayPush && htpasswd === undefined && tls?.clientCa === undefined) {
    yield "warning: whoever reaches this registry may push and delete: ask for passwords with --htpasswd";
  }
}
