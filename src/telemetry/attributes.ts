import type { AnyValue, KeyValue } from "./gen/opentelemetry/proto/common/v1/common_pb.ts";

/** The value of an attribute or the body of a log, as JSON has it. Bytes are base64; integers beyond 2^53 are text. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

export type Attributes = { readonly [key: string]: AttributeValue };

/** Attributes by key; of a key that comes twice, which OTLP forbids, the last one counts. */
export function attributesOf(pairs: readonly KeyValue[]): Attributes {
  // fromEntries defines own properties, so that a key like __proto__ stays data.
  return Object.fromEntries(pairs.map(({ key, value }) => [key, plainValue(value)]));
}

/** The plain value in an AnyValue; null where it is unset. */
export function plainValue(any: AnyValue | undefined): AttributeValue {
  const value = any?.value;
  switch (value?.case) {
    case "stringValue":
    case "boolValue":
      return value.value;
    case "doubleValue":
      return Number.isFinite(value.value) ? value.value : String(value.value);
    case "intValue": {
      const number = Number(value.value);
      return Number.isSafeInteger(number) ? number : value.value.toString();
    }
    case "bytesValue":
      return Buffer.from(value.value).toString("base64");
    case "arrayValue":
      return value.value.values.map(plainValue);
    case "kvlistValue":
      return attributesOf(value.value.values);
    default:
      return null;
  }
}
