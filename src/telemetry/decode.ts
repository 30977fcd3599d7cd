import { fromBinary, fromJson, type MessageShape } from "@bufbuild/protobuf";
import { messageOf } from "../base/index.ts";
import { TelemetryError } from "./errors.ts";
import { readOtlpJson } from "./otlp-json.ts";
import { type Encoding, REQUESTS, type SignalName } from "./signals.ts";

/** An export request of one signal. */
export type ExportRequest<S extends SignalName> = MessageShape<(typeof REQUESTS)[S]>;

/** Reads an export request. @throws TelemetryError `otlp-invalid` */
export function decode<S extends SignalName>(
  signal: S,
  encoding: Encoding,
  bytes: Uint8Array,
): ExportRequest<S> {
  const schema: (typeof REQUESTS)[S] = REQUESTS[signal];
  try {
    if (encoding === "protobuf") return fromBinary(schema, bytes, { readUnknownFields: false });
    const json = readOtlpJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
    return fromJson(schema, json, { ignoreUnknownFields: true });
  } catch (error) {
    if (error instanceof TelemetryError) throw error;
    throw new TelemetryError("otlp-invalid", `not an export request of ${signal}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
