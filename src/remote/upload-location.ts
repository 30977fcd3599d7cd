import type { Response } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import type { RemoteHost } from "./host.ts";

/**
 * Where a registry wants the next request of an upload: its `Location`, relative or absolute (distribution-spec,
 * "Pushing blobs"). Another origin is allowed, as registries with their own upload servers need it, but gets
 * no credentials, and never in plain text.
 *
 * @throws StoreError `registry-error`
 */
export function locationOf(response: Response, host: RemoteHost): URL {
  const text = response.headers.get("location");
  if (text === undefined || !URL.canParse(text, response.url.href)) {
    throw new StoreError("registry-error", `${host.registry} answered an upload without a usable Location`);
  }
  const url = new URL(text, response.url);
  url.username = "";
  url.password = "";
  url.hash = "";
  // A registry behind a proxy that ends TLS often believes that it is spoken to in plain HTTP.
  const own =
    url.protocol === "http:" && host.url.protocol === "https:" && url.hostname === host.url.hostname;
  if (own && (url.port === "" || url.host === host.url.host)) {
    url.protocol = "https:";
    url.port = host.url.port;
  }
  if (url.protocol === "https:" || (url.protocol === "http:" && host.url.protocol === "http:")) return url;
  throw new StoreError("registry-error", `${host.registry} sends an upload to ${url.protocol}//${url.host}`, {
    hint: "its Location headers have to be https URLs: a proxy before it may have to send X-Forwarded-Proto",
  });
}

/** The location with one more query parameter; what is there stays byte for byte, for it may be signed. */
export function withQuery(location: URL, name: string, value: string): URL {
  const url = new URL(location);
  url.search = `${url.search === "" ? "?" : `${url.search}&`}${name}=${encodeURIComponent(value)}`;
  return url;
}
