import type { JsonValue } from "@bufbuild/protobuf";
import { TelemetryError } from "./errors.ts";

/**
 * OTLP/JSON differs from proto3's JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): trace and
 * span ids are hexadecimal. Reads it into what proto3's JSON would be.
 *
 * @throws TelemetryError `otlp-invalid`
 */
export function readOtlpJson(text: string): JsonValue {
  let value: unknown;
  try {
    value = JSON.parse(quoteLongIntegers(text));
  } catch (error) {
    throw new TelemetryError("otlp-invalid", "the request's body is not JSON", { cause: error });
  }
  return convert(value, "", 0);
}

const STRING_OR_LONG = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/gs;

/** Some senders write nanoseconds as bare numbers, which JSON.parse would round; as strings they mean the same. */
export function quoteLongIntegers(text: string): string {
  return text.replace(STRING_OR_LONG, (token) => (token.startsWith('"') ? token : `"${token}"`));
}

const IDS: ReadonlySet<string> = new Set(["traceId", "spanId", "parentSpanId"]);
/** Protocol Buffers' own default is 100 messages; each level of an attribute is up to three of JSON. */
const DEPTH = 300;

function convert(value: unknown, key: string, depth: number): JsonValue {
  if (depth > DEPTH) throw new TelemetryError("otlp-invalid", "the request is nested too deeply");
  if (Array.isArray(value)) return value.map((item) => convert(item, key, depth + 1));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, convert(v, k, depth + 1)]));
  }
  if (typeof value === "string") return IDS.has(key) ? fromHex(value, key) : value;
  if (typeof value === "number" || typeof value === "boolean") return value;
  return null;
}

function fromHex(text: string, key: string): string {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) {
    throw new TelemetryError("otlp-invalid", `${key} is not hexadecimal`);
  }
  return Buffer.from(text, "hex").toString("base64");
}
