import { type BaseCode, type HttpResponse, ImgvolError } from "../base/index.ts";
import type { OciCode, StoreCode } from "../oci/index.ts";
import { type RegistryCode, RegistryError } from "./errors.ts";

/** How an error is put to a client: the HTTP status and the code of the distribution-spec, "Error Codes". */
const ANSWERS: Readonly<
  Partial<Record<RegistryCode | OciCode | StoreCode | BaseCode, readonly [number, string]>>
> = {
  "blob-unknown": [404, "BLOB_UNKNOWN"],
  "blob-invalid": [400, "BLOB_UPLOAD_INVALID"],
  "range-invalid": [416, "SIZE_INVALID"],
  "upload-unknown": [404, "BLOB_UPLOAD_UNKNOWN"],
  "upload-range": [416, "BLOB_UPLOAD_INVALID"],
  "uploads-exhausted": [429, "TOOMANYREQUESTS"],
  "disk-low": [507, "DENIED"],
  "manifest-unknown": [404, "MANIFEST_UNKNOWN"],
  "manifest-blob-unknown": [400, "MANIFEST_BLOB_UNKNOWN"],
  "manifest-too-large": [413, "MANIFEST_INVALID"],
  "name-invalid": [400, "NAME_INVALID"],
  "name-unknown": [404, "NAME_UNKNOWN"],
  "tag-invalid": [400, "MANIFEST_INVALID"],
  "page-invalid": [400, "UNSUPPORTED"],
  "read-only": [403, "DENIED"],
  unauthorized: [401, "UNAUTHORIZED"],
  "logins-exhausted": [429, "TOOMANYREQUESTS"],
  // A client that knows other places goes on there.
  "upstream-denied": [403, "DENIED"],
  "upstream-limited": [429, "TOOMANYREQUESTS"],
  "upstream-failed": [502, "UNKNOWN"],
  // Somebody else has deleted it since it was found.
  "not-found": [404, "MANIFEST_UNKNOWN"],
  "method-unsupported": [405, "UNSUPPORTED"],
  "path-unknown": [404, "UNSUPPORTED"],
  "digest-invalid": [400, "DIGEST_INVALID"],
  "digest-mismatch": [400, "DIGEST_INVALID"],
  "size-mismatch": [400, "SIZE_INVALID"],
  "manifest-invalid": [400, "MANIFEST_INVALID"],
  "media-type-unknown": [400, "MANIFEST_INVALID"],
  "reference-invalid": [400, "MANIFEST_INVALID"],
  "too-large": [413, "SIZE_INVALID"],
  "disk-full": [507, "DENIED"],
  "host-refused": [421, "DENIED"],
  "origin-refused": [403, "DENIED"],
};

/** By this some clients know that what they found is a registry. */
export const API_VERSION = { "docker-distribution-api-version": "registry/2.0" } as const;

/** The answer to an error that a client may see; undefined for one that is the server's own. */
export function errorAnswer(error: unknown): HttpResponse | undefined {
  if (!(error instanceof ImgvolError)) return undefined;
  const row = (ANSWERS as Readonly<Record<string, readonly [number, string]>>)[error.code];
  if (row === undefined) return undefined;
  const [status, code] = row;
  return json(
    status,
    { errors: [{ code, message: wordsOf(error) }] },
    error instanceof RegistryError ? error.headers : {},
  );
}

/** Where the disk is on this machine is not for clients. */
function wordsOf({ code, message, hint }: ImgvolError): string {
  if (code === "disk-full") return "the disk of the registry is full";
  return hint === undefined ? message : `${message} (${hint})`;
}

/** What a client sees of a failure of the server's own. */
export function failureAnswer(): HttpResponse {
  const errors = [{ code: "UNKNOWN", message: "the registry failed; its log says why" }];
  return json(500, { errors }, {});
}

/** A JSON document, with its length. */
export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const body = Buffer.from(JSON.stringify(value));
  return {
    status,
    headers: { "content-type": "application/json", "content-length": String(body.length), ...headers },
    body,
  };
}
