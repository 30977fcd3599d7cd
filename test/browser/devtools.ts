import type { Readable, Writable } from "node:stream";

type Fields = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

interface Waiting {
  resolve(result: Fields): void;
  reject(error: Error): void;
}

/**
 * A client of the Chrome DevTools Protocol over a pair of pipes: JSON messages, each ended by a zero byte.
 * https://chromedevtools.github.io/devtools-protocol/
 */
export class Devtools {
  readonly #to: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, (method: string, params: Fields) => void>();
  #next = 1;
  #rest = "";
  #closed: string | undefined;

  constructor(to: unknown, from: unknown) {
    if (!isWritable(to) || !isReadable(from)) throw new Error("the browser has no pipes");
    this.#to = to;
    to.on("error", () => undefined);
    from.setEncoding("utf8").on("data", (text: string) => {
      const messages = (this.#rest + text).split("\0");
      this.#rest = messages.pop() ?? "";
      for (const message of messages) this.#take(JSON.parse(message));
    });
  }

  /** Sends a command, to the browser or to a session of one of its pages; gives its result. */
  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    if (this.#closed !== undefined) return Promise.reject(new Error(this.#closed));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** What happens in a session. */
  listen(sessionId: string, listener: (method: string, params: Fields) => void): void {
    this.#listeners.set(sessionId, listener);
  }

  /** Whoever waits, waits in vain. */
  close(why: string): void {
    this.#closed = why;
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
  }

  #take({ id, sessionId, method, params, result, error }: Message): void {
    if (method !== undefined) this.#listeners.get(sessionId ?? "")?.(method, params ?? {});
    const waiting = this.#waiting.get(id ?? 0);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result ?? {});
    else waiting.reject(new Error(error.message));
  }
}

function isWritable(stream: unknown): stream is Writable {
  return typeof stream === "object" && stream !== null && "write" in stream;
}

function isReadable(stream: unknown): stream is Readable {
  return typeof stream === "object" && stream !== null && "setEncoding" in stream;
}
