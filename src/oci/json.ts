import { OciError } from "./errors.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** JSON with sorted keys and no white space: one value, one sequence of bytes. Undefined members are left out. */
export function canonicalJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, sorted));
}

function sorted(_key: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads a JSON object. @throws OciError with `code`; `what` names it in the message */
export function parseObject(
  bytes: Uint8Array,
  code: "manifest-invalid" | "config-invalid",
  what: string,
): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new OciError(code, `${what} is not JSON`, { cause });
  }
  if (!isObject(value)) throw new OciError(code, `${what} is not a JSON object`);
  return value;
}
