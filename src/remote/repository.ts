import { type Call, collect, type Response } from "../base/index.ts";
import { asUnreachable } from "./errors.ts";
import type { RemoteHost } from "./host.ts";
import { HostPatience } from "./patience.ts";

interface More {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Needs the right to write. */
  readonly push?: boolean;
  /** See {@link Ask.patience}. */
  readonly patience?: HostPatience;
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

  /** Where a path of this repository is, below the root of its host's API. */
  url(path: string): URL {
    return this.meant(new URL(`${this.name}/${path}`, this.host.endpoint.api));
  }

  /** A mirror is told whose content is meant, as containerd does. */
  meant(url: URL): URL {
    const { mirrorOf } = this.host.endpoint;
    if (mirrorOf !== undefined) url.searchParams.set("ns", mirrorOf);
    return url;
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
        url: typeof where === "string" ? this.url(where) : where,
        purpose: { repository: this.name, scopes: [`repository:${this.name}:${actions}`] },
        what: `${this.origin}: ${path.replace(/^(manifest|blob)s\//, "$1 ")}`,
        expect,
        ...rest,
      },
      call,
    );
  }

  /** Asks with GET for something small and reads it; asks again where the answer was cut. Expects 200 unless it is told more. */
  async read(
    where: string | URL,
    limit: number,
    what: string,
    call: Call,
    { expect = [200], ...more }: More & { readonly expect?: readonly number[] } = {},
  ): Promise<{ readonly response: Response; readonly bytes: Uint8Array }> {
    const { patience = new HostPatience(this.host) } = more;
    for (;;) {
      const response = await this.ask("GET", where, expect, call, { ...more, patience });
      try {
        return { response, bytes: await collect(response.body, limit, what) };
      } catch (error) {
        await patience.afterFailure(error, call).catch((last: unknown) => {
          throw asUnreachable(last, this.host);
        });
      }
    }
  }
}
