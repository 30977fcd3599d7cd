import { Worker } from "node:worker_threads";
import { RegistryError } from "../registry/index.ts";
import type { Compared, Comparison } from "./bcrypt-worker.ts";

/** At some 50 ms each, who comes last waits for a few seconds. */
const WAITING = 64;

interface Waiting {
  resolve(same: boolean): void;
  reject(error: Error): void;
}

/**
 * Compares passwords with bcrypt hashes, one after the other, on a thread of its own: bcrypt is slow by design, and no flood of
 * guesses may hold up those who transfer.
 */
export class Bcrypt implements AsyncDisposable {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** @throws RegistryError `logins-exhausted` */
  async compare(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.size >= WAITING) {
      throw new RegistryError("logins-exhausted", "too many passwords are being checked", {
        headers: { "retry-after": "5" },
      });
    }
    this.#worker ??= this.#start();
    const asked: Comparison = { id: ++this.#last, password, hash };
    this.#worker.postMessage(asked);
    return await new Promise((resolve, reject) => this.#waiting.set(asked.id, { resolve, reject }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./bcrypt-worker.ts", import.meta.url), { name: "imgvol-bcrypt" });
    worker.unref();
    worker.on("message", ({ id, same }: Compared) => {
      this.#waiting.get(id)?.resolve(same);
      this.#waiting.delete(id);
    });
    const ended = (why: Error): void => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(why);
      this.#waiting.clear();
    };
    worker.on("error", ended);
    worker.on("exit", () => ended(new Error("the thread that checks passwords has ended")));
    return worker;
  }
}
