import type { HttpRequest } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";

/** Content is its own version. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether a client has this version already: `If-None-Match` (RFC 9110, section 13.1.2). No digest has a comma or a quote in it. */
export function isNotModified({ headers }: HttpRequest, etag: string): boolean {
  const field = headers.get("if-none-match") ?? "";
  // A proxy that compresses answers makes our versions weak ones.
  return field.split(",").some((each) => ["*", etag].includes(each.trim().replace(/^W\//, "")));
}
