import { randomUUID } from "node:crypto";
import type { HttpHandler, HttpRequest, HttpResponse } from "../base/index.ts";

/** One exchange with a client, when it is over. */
export interface Visit {
  /** Also told to the client, as `x-request-id`. */
  readonly id: string;
  readonly time: Date;
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  readonly status: number;
  /** Bytes of bodies, that were taken and given. */
  readonly received: number;
  readonly sent: number;
  readonly seconds: number;
  /** How it ended: the client went away, or the body broke off on our side. */
  readonly end: "done" | "aborted" | "failed";
  readonly address: string | undefined;
  readonly user: string | undefined;
  readonly agent: string | undefined;
}

/** For a client that did not wait for its answer: what nginx calls it. A status of ours would count as our failure. */
const GONE = 499;

/** The exchange's answer, whose end is told: when its body has been taken, or nobody takes it any more. */
export async function observed(
  request: HttpRequest,
  next: HttpHandler,
  tell: (visit: Visit) => void,
): Promise<HttpResponse> {
  const id = randomUUID();
  const time = new Date();
  const start = performance.now();
  const counted = { received: 0, sent: 0 };
  const answer = await next({ ...request, body: counting(request.body, (n) => (counted.received += n)) });
  const headers = { ...answer.headers, "x-request-id": id };
  const status = request.signal.aborted ? GONE : answer.status;
  let over = false;
  const ended = (end: Visit["end"]): void => {
    if (over) return;
    over = true;
    request.signal.removeEventListener("abort", gone);
    const { method, path, address } = request;
    const { user } = answer;
    const seconds = (performance.now() - start) / 1000;
    const agent = request.headers.get("user-agent");
    tell({ id, time, method, path, status, ...counted, seconds, end, address, user, agent });
  };
  const gone = (): void => ended("aborted");
  if (request.signal.aborted) gone();
  else request.signal.addEventListener("abort", gone);
  const { body } = answer;
  if (body === undefined || body instanceof Uint8Array) {
    if (request.method !== "HEAD") counted.sent = body?.length ?? 0;
    ended("done");
    return { ...answer, headers };
  }
  return { ...answer, headers, body: watched(body, (n) => (counted.sent += n), ended) };
}

async function* counting(
  body: AsyncIterable<Uint8Array>,
  add: (n: number) => void,
): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    add(chunk.length);
    yield chunk;
  }
}

/** Not a generator: one that was never begun would not notice its end. */
function watched(
  body: AsyncIterable<Uint8Array>,
  add: (n: number) => void,
  ended: (end: Visit["end"]) => void,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = body[Symbol.asyncIterator]();
      let begun = false;
      return {
        async next() {
          begun = true;
          try {
            const next = await chunks.next();
            if (next.done === true) ended("done");
            else add(next.value.length);
            return next;
          } catch (error) {
            ended("failed");
            throw error;
          }
        },
        async return() {
          // Of an answer to HEAD nobody takes anything; who stops in the middle has gone.
          ended(begun ? "aborted" : "done");
          await chunks.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
