import { createServer, type Socket } from "node:net";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { type ListenOptions, listen, messageOf } from "../base/index.ts";
import { TelemetryError } from "./errors.ts";
import { MESSAGE_BYTES, type ReceiverLimits } from "./http-receiver.ts";
import { isHttp2, refuseHttp1 } from "./preface.ts";
import { RpcCode } from "./rpc-status.ts";
import { SIGNALS, type Signal } from "./signals.ts";
import type { Storage } from "./storage.ts";

export interface GrpcOptions extends ReceiverLimits, ListenOptions {
  /** What a sender that speaks HTTP/1 to this port is told; `host` is the name by which it came, where it says so. */
  readonly hint: (host: string | undefined) => string;
}

export interface GrpcReceiver extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/** How long answers on their way may take when the receiver is closed, in ms. */
const GRACE = 2000;

/**
 * OTLP/gRPC on a port of its own. A connection's first bytes are looked at before gRPC gets it, since the usual mistake
 * is an exporter that speaks OTLP/HTTP to this port: it is told so instead of being cut.
 *
 * @throws BaseError `port-in-use`, `listen-failed`
 */
export async function startGrpcReceiver(
  storage: Pick<Storage, "ingest">,
  options: GrpcOptions,
): Promise<GrpcReceiver> {
  const server = new Server({
    "grpc.max_receive_message_length": options.messageBytes ?? MESSAGE_BYTES,
    // Each stream may hold one message: together with its size this bounds what one connection can make us keep.
    "grpc.max_concurrent_streams": 32,
    "grpc.keepalive_permit_without_calls": 1,
  });
  for (const signal of SIGNALS) {
    server.addService({ Export: definition(signal) }, { Export: exporter(signal, storage) });
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const front = createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    isHttp2(socket).then(
      (yes) => (yes ? injector.injectConnection(socket) : refuseHttp1(socket, options.hint)),
      () => socket.destroy(),
    );
  });
  const port = await listen(front, options);
  return {
    host: options.host,
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => front.close(() => resolve()));
      await shutdown(server);
      injector.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function definition(signal: Signal): {
  path: string;
  requestStream: false;
  responseStream: false;
  requestSerialize: (value: Buffer) => Buffer;
  requestDeserialize: (bytes: Buffer) => Buffer;
  responseSerialize: (value: Buffer) => Buffer;
  responseDeserialize: (bytes: Buffer) => Buffer;
} {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: signal.method,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

function exporter(signal: Signal, storage: Pick<Storage, "ingest">) {
  return (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
    storage.ingest(signal.name, "protobuf", call.request).then(
      (outcome) => answer(null, Buffer.from(signal.answer(outcome, "protobuf"))),
      (error: unknown) => answer({ code: codeOf(error), details: messageOf(error) }),
    );
  };
}

/** UNAVAILABLE has the sender try again, INVALID_ARGUMENT has it give up (OTLP specification, "Failures"). */
function codeOf(error: unknown): number {
  if (!(error instanceof TelemetryError)) return RpcCode.internal;
  if (error.code === "queue-full" || error.code === "storage-failed") return RpcCode.unavailable;
  return RpcCode.invalidArgument;
}

async function shutdown(server: Server): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), GRACE);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(timer);
}
