import { printable } from "../base/index.ts";
import { PresetError } from "./errors.ts";

/** What the user asked for with `-p NAME[@VERSION][=REF]` or `preset:NAME[@VERSION]`. */
export interface PresetRequest {
  readonly name: string;
  readonly version?: string;
  /** The volume image, as written. */
  readonly reference?: string;
}

const NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
// No slash: a version becomes a part of URLs and of file names.
const VERSION = /^[0-9A-Za-z][\w.+-]*$/;

/** Reads `NAME[@VERSION][=REF]`. @throws PresetError `preset-request-invalid` */
export function parsePresetRequest(text: string): PresetRequest {
  const equals = text.indexOf("=");
  const front = equals === -1 ? text : text.slice(0, equals);
  const reference = equals === -1 ? undefined : text.slice(equals + 1);
  const at = front.indexOf("@");
  const name = at === -1 ? front : front.slice(0, at);
  const version = at === -1 ? undefined : front.slice(at + 1);
  if (!NAME.test(name) || (version !== undefined && !VERSION.test(version)) || reference === "") {
    throw invalid(
      text,
      "write NAME, NAME@VERSION or NAME=REFERENCE, for example otel-java=registry.example.com/otel-java:2",
    );
  }
  return {
    name,
    ...(version === undefined ? {} : { version }),
    ...(reference === undefined ? {} : { reference }),
  };
}

/** The text that {@link parsePresetRequest} reads back. */
export function formatPresetRequest(request: PresetRequest): string {
  const version = request.version === undefined ? "" : `@${request.version}`;
  return `${request.name}${version}${request.reference === undefined ? "" : `=${request.reference}`}`;
}

/** A version of a preset's payload. @throws PresetError `preset-request-invalid` */
export function parseVersion(text: string): string {
  if (VERSION.test(text)) return text;
  throw invalid(`@${text}`, "a version is letters, digits, dots, dashes, underscores and plus signs");
}

function invalid(text: string, hint: string): PresetError {
  return new PresetError("preset-request-invalid", `not a preset: ${printable(text)}`, {
    hint,
    wrongUse: true,
  });
}
