import type { HostCapability } from "../hosts/index.ts";
import { StoreError } from "../oci/index.ts";
import type { Medium } from "../store/index.ts";

/** A repository at one endpoint, and what the endpoint is trusted to do. */
export interface Place {
  /** As users write the endpoint: `mirror.example:5000`. */
  readonly registry: string;
  readonly medium: Medium;
  readonly can: ReadonlySet<HostCapability>;
}

/** At least one. */
export type SomePlaces = readonly [Place, ...Place[]];

/** One repository's endpoints, opened once: when the first is needed, and again after that failed. */
export class Places implements AsyncDisposable {
  readonly #origin: string;
  readonly #open: () => Promise<readonly Place[]>;
  /** Once they were used, and the files could be read. */
  #opened: Promise<readonly Place[]> | undefined;

  /** @param origin the repository's, for messages */
  constructor(origin: string, open: () => Promise<readonly Place[]>) {
    this.#origin = origin;
    this.#open = open;
  }

  all(): Promise<readonly Place[]> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  /** Those that may do something, in order. @throws StoreError `unsupported` where none may */
  async able(need: HostCapability): Promise<SomePlaces> {
    const [first, ...more] = (await this.all()).filter((place) => place.can.has(need));
    if (first !== undefined) return [first, ...more];
    throw new StoreError("unsupported", `${this.#origin}: no configured host may ${need}`, {
      hint: `give one of the hosts in its hosts.toml the capability "${need}"`,
    });
  }

  /** The first that takes pushes. @throws StoreError `unsupported` where none does */
  async writable(): Promise<Medium> {
    return (await this.able("push"))[0].medium;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const places = await this.#opened?.catch(() => []);
    for (const { medium } of places ?? []) await medium[Symbol.asyncDispose]();
  }
}
