import { RegistryError } from "./errors.ts";

interface Waiting {
  readonly exclusive: boolean;
  begin(): void;
}

/**
 * Who works on a repository at one time. Whatever adds content, or tells a client that content is there, is `shared`;
 * whatever takes content away is `exclusive`: so nobody relies on what is going. First come, first served, so neither
 * kind starves. Work must be short, never wait for a client, and never pass the gate again: it would wait for itself.
 */
export class Gate {
  readonly #name: string;
  readonly #queue: Waiting[] = [];
  #sharing = 0;
  #excluding = false;
  #guests = 0;
  #closed = false;

  /** @param name the repository's, for messages */
  constructor(name: string) {
    this.#name = name;
  }

  /** @throws RegistryError `name-unknown` where the repository was taken away */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    if (this.#excluding || this.#queue.length > 0) await this.#wait(false);
    else this.#sharing++;
    try {
      this.#checkOpen();
      return await work();
    } finally {
      this.#sharing--;
      this.#admit();
    }
  }

  /** @throws RegistryError `name-unknown` where the repository was taken away */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#excluding || this.#sharing > 0 || this.#queue.length > 0) await this.#wait(true);
    else this.#excluding = true;
    try {
      this.#checkOpen();
      return await work();
    } finally {
      this.#excluding = false;
      this.#admit();
    }
  }

  /**
   * Keeps the repository itself from being taken away, for as long as a client likes to take; undefined where it is
   * gone already. Content is not kept: only `shared` does that.
   */
  enter(): Disposable | undefined {
    if (this.#closed) return undefined;
    this.#guests++;
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (!left) this.#guests--;
        left = true;
      },
    };
  }

  /** For ever, before the repository is taken away; false where somebody is in. Only while `exclusive` works. */
  close(): boolean {
    if (this.#guests > 0) return false;
    this.#closed = true;
    return true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new RegistryError("name-unknown", `there is no repository ${this.#name}`);
  }

  async #wait(exclusive: boolean): Promise<void> {
    await new Promise<void>((begin) => this.#queue.push({ exclusive, begin }));
  }

  /** Lets in whoever may begin; the count is theirs before anybody else can look at it. */
  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (this.#excluding || (next.exclusive && this.#sharing > 0)) return;
      this.#queue.shift();
      if (next.exclusive) this.#excluding = true;
      else this.#sharing++;
      next.begin();
    }
  }
}
