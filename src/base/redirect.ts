import { literalAddress } from "./address.ts";
import type { Call } from "./call.ts";
import { BaseError } from "./errors.ts";
import { processNetwork } from "./network.ts";
import { discard, type RequestOptions, type Response, request } from "./request.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 10;

/**
 * One request, and those that its redirects lead to. What may be secret stays on its origin: any header that is not in
 * {@link HARMLESS} is dropped for good once a redirect leaves it. Refused: from https to http, from a public host
 * to a private address, more than ten, with a body to another origin, and with a streamed body (it cannot be sent twice).
 *
 * @throws BaseError `redirect-refused`, and what {@link request} throws
 */
export async function requestFollowing(options: RequestOptions, call: Call): Promise<Response> {
  let current = options;
  for (let followed = 0; ; followed++) {
    const response = await request(current, call);
    const location = response.headers.get("location");
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    await discard(response);
    if (followed === MAX_REDIRECTS) throw refused(options.url, `more than ${MAX_REDIRECTS} redirects`);
    current = next(current, response, location);
  }
}

/** Headers that say what is asked for, and nothing of who asks. */
const HARMLESS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "content-type",
  "if-match",
  "if-none-match",
  "range",
  "user-agent",
]);

function next(from: RequestOptions, response: Response, location: string): RequestOptions {
  const { url } = from;
  if (!URL.canParse(location, url.href)) throw refused(url, "to something that is not a URL");
  const to = new URL(location, url);
  if (to.protocol !== "https:" && to.protocol !== "http:") throw refused(url, `to ${to.protocol}`);
  if (url.protocol === "https:" && to.protocol === "http:")
    throw refused(url, `from https to http (${to.host})`);
  to.username = "";
  to.password = "";
  const { body, ...rest } = changeMethod(from, response.status);
  if (body !== undefined && !(body instanceof Uint8Array)) throw refused(url, "of a streamed upload");
  // A body may hold what is secret as well as a header does: a token, a password, what is being pushed.
  if (body !== undefined && to.origin !== url.origin) throw refused(url, `of an upload, to ${to.host}`);
  const headers = Object.entries(rest.headers ?? {});
  return {
    ...rest,
    body,
    url: to,
    headers: Object.fromEntries(
      to.origin === url.origin ? headers : headers.filter(([name]) => HARMLESS.has(name)),
    ),
    publicOnly: (from.publicOnly ?? false) || isPublic(from, response),
  };
}

/** RFC 9110, section 15.4: 303 asks for a GET; 301 and 302 do so after a POST, by custom; 307 and 308 keep the method. */
function changeMethod(from: RequestOptions, status: number): RequestOptions {
  const toGet = status === 303 ? from.method !== "HEAD" : status < 303 && from.method === "POST";
  return toGet ? { ...from, method: "GET", body: undefined } : from;
}

/** A host behind a proxy counts as public, unless it is written as a private address. */
function isPublic(from: RequestOptions, response: Response): boolean {
  const address = literalAddress(from.url.hostname) ?? response.peer;
  return address === undefined || !(from.network ?? processNetwork()).isPrivate(address);
}

function refused(url: URL, why: string): BaseError {
  return new BaseError("redirect-refused", `refused to follow a redirect from ${url.host}: ${why}`);
}
