import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Encoding } from "./signals.ts";

/** The codes of https://grpc.github.io/grpc/core/md_doc_statuscodes.html that a receiver answers with. */
export const RpcCode = {
  invalidArgument: 3,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A `google.rpc.Status`, the body of every error of OTLP/HTTP: field 1 is the code, field 2 the message. */
export function rpcStatus(code: number, message: string, encoding: Encoding): Uint8Array {
  if (encoding === "json") return Buffer.from(JSON.stringify({ code, message }));
  return new BinaryWriter().uint32(8).int32(code).uint32(18).string(message).finish();
}
