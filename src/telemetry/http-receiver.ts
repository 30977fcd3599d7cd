import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type HttpHandler, type HttpRequest, type HttpResponse, messageOf } from "../base/index.ts";
import { type TelemetryCode, TelemetryError } from "./errors.ts";
import { RpcCode, rpcStatus } from "./rpc-status.ts";
import { type Encoding, SIGNALS } from "./signals.ts";
import type { Storage } from "./storage.ts";

export interface ReceiverLimits {
  /** The largest request, in bytes after decompression. Default 16 MiB. */
  readonly messageBytes?: number;
  /** How much of all requests together may be in memory, in bytes; then senders are told to come again. Default 64 MiB. */
  readonly inFlightBytes?: number;
}

export const MESSAGE_BYTES: number = 16 * 1024 * 1024;
const IN_FLIGHT_BYTES = 64 * 1024 * 1024;
const TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};
/** Seconds until a sender that was turned away should come again. */
const RETRY_AFTER = "1";

/**
 * OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp): protobuf and JSON, plain or gzip, on the default
 * paths. Every answer, errors too, is encoded as the request was.
 */
export function otlpHandler(storage: Pick<Storage, "ingest">, limits: ReceiverLimits = {}): HttpHandler {
  const most = limits.messageBytes ?? MESSAGE_BYTES;
  const room = new Room(limits.inFlightBytes ?? IN_FLIGHT_BYTES);
  return async (request) => {
    const signal = SIGNALS.find(({ path }) => path === request.path);
    const encoding = encodingOf(request);
    if (signal === undefined) {
      const paths = SIGNALS.map(({ path }) => path).join(", ");
      return refuse(404, RpcCode.notFound, `OTLP/HTTP is received at ${paths}`, encoding);
    }
    if (request.method !== "POST") {
      const answer = refuse(405, RpcCode.unimplemented, "OTLP/HTTP is sent with POST", encoding);
      return { ...answer, headers: { ...answer.headers, allow: "POST" } };
    }
    if (encoding === undefined) {
      const what = request.headers.get("content-type") ?? "no content type";
      const types = Object.values(TYPES).join(" or ");
      return refuse(415, RpcCode.invalidArgument, `expected ${types}, not ${what}`, encoding);
    }
    await using held = room.hold();
    try {
      const bytes = await read(request, most, held);
      const outcome = await storage.ingest(signal.name, encoding, bytes);
      return {
        status: 200,
        headers: { "content-type": TYPES[encoding] },
        body: signal.answer(outcome, encoding),
      };
    } catch (error) {
      if (request.signal.aborted) throw error;
      return failed(error, encoding);
    }
  };
}

function encodingOf(request: HttpRequest): Encoding | undefined {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === TYPES.protobuf) return "protobuf";
  return type === TYPES.json ? "json" : undefined;
}

/** The body, decompressed; bounded while it arrives, so that a small bomb cannot become a large one. */
async function read(request: HttpRequest, most: number, held: Held): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const gather = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of source) {
      size += chunk.length;
      if (size > most) throw new TelemetryError("otlp-too-large", `a request may have ${most} bytes`);
      held.take(chunk.length);
      chunks.push(Buffer.from(chunk));
    }
  };
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase() || "identity";
  if (coding === "identity") await gather(request.body);
  else if (coding === "gzip") await inflated(request, gather);
  else
    throw new TelemetryError(
      "otlp-unsupported",
      `content-encoding ${coding} is not known: send gzip or none`,
    );
  return Buffer.concat(chunks, size);
}

async function inflated(
  request: HttpRequest,
  gather: (source: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  try {
    await pipeline(kept(request.body), createGunzip(), gather);
  } catch (error) {
    const broken = error instanceof Error && "code" in error && /^Z_/.test(String(error.code));
    if (!broken) throw error;
    throw new TelemetryError("otlp-invalid", `the body is not gzip: ${messageOf(error)}`, { cause: error });
  }
}

/** Copies: a stream of Node.js asks for the next chunk while its threads still work on this one. */
async function* kept(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield Buffer.from(chunk);
}

const ANSWERS: ReadonlyMap<TelemetryCode, readonly [status: number, code: number]> = new Map([
  ["otlp-invalid", [400, RpcCode.invalidArgument]],
  ["otlp-too-large", [413, RpcCode.resourceExhausted]],
  ["otlp-unsupported", [415, RpcCode.invalidArgument]],
  ["queue-full", [503, RpcCode.unavailable]],
  ["storage-failed", [503, RpcCode.unavailable]],
]);

function failed(error: unknown, encoding: Encoding): HttpResponse {
  const answer = error instanceof TelemetryError ? ANSWERS.get(error.code) : undefined;
  if (answer === undefined) throw error;
  const [status, code] = answer;
  const refusal = refuse(status, code, messageOf(error), encoding);
  return status === 503
    ? { ...refusal, headers: { ...refusal.headers, "retry-after": RETRY_AFTER } }
    : refusal;
}

function refuse(
  status: number,
  code: number,
  message: string,
  encoding: Encoding | undefined = "json",
): HttpResponse {
  return {
    status,
    headers: { "content-type": TYPES[encoding] },
    body: rpcStatus(code, message, encoding),
  };
}

interface Held extends AsyncDisposable {
  /** @throws TelemetryError `queue-full` */
  take(bytes: number): void;
}

/** Counts what all requests together hold in memory. */
class Room {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  hold(): Held {
    let own = 0;
    return {
      take: (bytes) => {
        // A request that is alone is let in, however small the room.
        if (this.#taken + bytes > this.#most && this.#taken > own) {
          throw new TelemetryError("queue-full", "too many requests are under way");
        }
        own += bytes;
        this.#taken += bytes;
      },
      [Symbol.asyncDispose]: async () => {
        this.#taken -= own;
      },
    };
  }
}
