import type { Call, Response } from "../base/index.ts";
import type { RemoteHost } from "./remote-host.ts";

interface More {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Needs the right to write. */
  readonly push?: boolean;
}

/** One repository of a registry: paths below it, and the rights that they need. */
export class RemoteRepository {
  readonly host: RemoteHost;
  readonly name: string;
  /** For messages: `registry/repository`. */
  readonly origin: string;

  constructor(host: RemoteHost, name: string) {
    this.host = host;
    this.name = name;
    this.origin = `${host.registry}/${name}`;
  }

  /** Asks for a path (or a URL that the registry named) and expects one of the given answers. */
  ask(
    method: string,
    where: string | URL,
    expect: readonly number[],
    call: Call,
    more: More = {},
  ): Promise<Response> {
    const { push = false, ...rest } = more;
    const actions = method === "DELETE" ? "pull,push,delete" : push ? "pull,push" : "pull";
    const path = typeof where === "string" ? where : where.pathname;
    return this.host.ask(
      {
        method,
        url: typeof where === "string" ? new URL(`v2/${this.name}/${where}`, this.host.url) : where,
        purpose: { repository: this.name, scopes: [`repository:${this.name}:${actions}`] },
        what: `${this.origin}: ${path.replace(/^(manifest|blob)s\//, "$1 ")}`,
        expect,
        ...rest,
      },
      call,
    );
  }
}
