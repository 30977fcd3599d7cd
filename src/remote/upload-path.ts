import { type Call, discard } from "../base/index.ts";
import type { Descriptor } from "../oci/index.ts";
import type { Ask, RemoteHost } from "./host.ts";
import type { RemoteRepository } from "./repository.ts";

/** Where uploads into one repository go, and the rights that they need. */
export class UploadPath {
  readonly host: RemoteHost;
  readonly #at: RemoteRepository;

  constructor(at: RemoteRepository) {
    this.host = at.host;
    this.#at = at;
  }

  /** @param where a path below the repository, or the place that the registry named */
  ask(method: string, where: URL | string, expect: readonly number[]): Ask {
    const repository = this.#at.name;
    return {
      method,
      url: typeof where === "string" ? this.#at.url(where) : where,
      expect,
      purpose: { repository, scopes: [`repository:${repository}:pull,push`] },
      what: `${this.#at.origin}: an upload`,
    };
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    const response = await this.host.ask(this.ask("HEAD", `blobs/${d.digest}`, [200, 404]), call);
    await discard(response);
    return response.status === 200;
  }
}
