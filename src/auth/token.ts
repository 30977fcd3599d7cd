import {
  BaseError,
  type Call,
  collect,
  discard,
  hostName,
  isLoopback,
  type Network,
  type RequestOptions,
  type Response,
  requestFollowing,
} from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import { basicHeader, type Credentials } from "./credentials.ts";
import { tokenRefusal } from "./token-refusal.ts";

/** The registry that wants to know who asks. */
export interface Asker {
  /** As users write it. */
  readonly registry: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly network: Network | undefined;
  /** In milliseconds; a token server has to have answered whole in this time. */
  readonly idleTimeout: number;
  /** Whether the user allows plain HTTP to this host. */
  allowsPlain(host: string): boolean;
  /** The registry is on the public internet: it cannot send us to a private token server. */
  isPublic(): boolean;
}

/** A token server, as a registry's challenge names it. */
export interface TokenServer {
  readonly realm: URL;
  readonly service: string | undefined;
}

export interface TokenRequest {
  readonly scopes: readonly string[];
  /** The repository that it is about, for messages. */
  readonly what: string;
  readonly credentials: Credentials | undefined;
  /** Ask for an identity token, too. */
  readonly identity: boolean;
}

export interface Issued {
  readonly token: string;
  /** How long it may be used, in milliseconds from when it was asked for. */
  readonly life: number;
  /** The identity token, or the one that takes the place of that which was used. */
  readonly refreshToken?: string;
}

const CLIENT = "imgvol";
const TOKEN_LIMIT = 256 * 1024;
/** In seconds: the specification's default where `expires_in` is missing. */
const DEFAULT_LIFE = 60;

/**
 * Where a challenge says that tokens are to be had. It is the registry's word for where credentials go, so they must go there
 * as safely as to the registry itself.
 *
 * @throws StoreError `realm-refused`
 */
export function tokenServerOf(parameters: ReadonlyMap<string, string>, asker: Asker): TokenServer {
  const text = parameters.get("realm") ?? "";
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (realm?.protocol !== "https:" && !(realm?.protocol === "http:" && allowsPlainRealm(realm, asker))) {
    const named = realm === undefined ? "that is not a URL" : `at ${realm.protocol}//${realm.host}`;
    throw realmRefused(asker, `it names a token server ${named}, where credentials would not be safe`, {
      hint:
        realm?.protocol === "http:" && asker.url.protocol === "http:"
          ? `if that is meant to be so, use \`--plain-http ${realm.host}\``
          : "the realm of its WWW-Authenticate header has to be an https URL",
    });
  }
  realm.username = "";
  realm.password = "";
  realm.hash = "";
  return { realm, service: parameters.get("service") };
}

function allowsPlainRealm(realm: URL, { url, allowsPlain }: Asker): boolean {
  if (url.protocol !== "http:") return false;
  const host = hostName(realm.host) ?? "";
  return realm.hostname === url.hostname || isLoopback(host) || allowsPlain(realm.host);
}

/**
 * Asks for a token: by POST in exchange for an identity token (OAuth2, https://distribution.github.io/distribution/spec/auth/oauth/),
 * else by GET, with user and password or as nobody (https://distribution.github.io/distribution/spec/auth/token/).
 *
 * @throws StoreError `credentials-wrong`, `credentials-missing`, `token-expired`, `denied`, `rate-limited`, `realm-refused`,
 *   `registry-error`; BaseError `connection-failed`, `tls-failed`, `timeout`, `too-large`
 */
export async function fetchToken(
  server: TokenServer,
  asked: TokenRequest,
  asker: Asker,
  call: Call,
): Promise<Issued> {
  using limited = within(asker.idleTimeout, server.realm.host, call);
  const response = await send(requestFor(server, asked, asker), server, asker, limited);
  const authenticated = asked.credentials !== undefined;
  if (authenticated && response.url.origin !== server.realm.origin) {
    await discard(response);
    const to = `its token server ${server.realm.host} led to ${response.url.host}, where credentials do not follow`;
    throw realmRefused(asker, to, {});
  }
  if (response.status !== 200) throw await tokenRefusal(response, asked, asker.registry);
  const { host } = response.url;
  const bytes = await collect(response.body, TOKEN_LIMIT, `the answer of the token server ${host}`);
  return readToken(bytes, response, `${asker.registry}: its token server ${host}`);
}

function requestFor({ realm, service }: TokenServer, asked: TokenRequest, asker: Asker): RequestOptions {
  const { credentials, scopes } = asked;
  const { headers, network, idleTimeout } = asker;
  const shared = { network, idleTimeout, publicOnly: asker.isPublic() };
  const fields = new URLSearchParams();
  if (service !== undefined) fields.append("service", service);
  if (credentials?.kind === "identity-token") {
    if (scopes.length > 0) fields.append("scope", scopes.join(" "));
    fields.append("client_id", CLIENT);
    fields.append("grant_type", "refresh_token");
    fields.append("refresh_token", credentials.token);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const body = Buffer.from(fields.toString());
    return { ...shared, method: "POST", url: realm, headers: { ...headers, ...form }, body };
  }
  for (const scope of scopes) fields.append("scope", scope);
  if (asked.identity) {
    fields.append("client_id", CLIENT);
    fields.append("offline_token", "true");
  }
  const url = new URL(realm);
  for (const [name, value] of fields) url.searchParams.append(name, value);
  if (credentials?.kind !== "password") return { ...shared, method: "GET", url, headers };
  const authorization = basicHeader(credentials.username, credentials.password);
  return { ...shared, method: "GET", url, headers: { ...headers, authorization } };
}

async function send(
  request: RequestOptions,
  server: TokenServer,
  asker: Asker,
  call: Call,
): Promise<Response> {
  try {
    return await requestFollowing(request, call);
  } catch (error) {
    if (!(error instanceof BaseError && error.code === "redirect-refused")) throw error;
    throw realmRefused(asker, `cannot ask its token server ${server.realm.host}`, { cause: error });
  }
}

/** Unlike a transfer, a token is small: however slowly it drips, it has to be here in time. */
function within(milliseconds: number, host: string, { signal, progress }: Call): Call & Disposable {
  const late = new AbortController();
  const timer = setTimeout(() => {
    const told = `the token server ${host} did not answer within ${milliseconds / 1000} s`;
    late.abort(new BaseError("timeout", told, { hint: "check the connection and try again" }));
  }, milliseconds);
  return {
    signal: AbortSignal.any([signal, late.signal]),
    progress,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

function readToken(bytes: Uint8Array, { headers }: Response, server: string): Issued {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // Not repeated: it may hold a token.
  }
  const fields = isObject(answer) ? answer : {};
  // Servers of OAuth2 say access_token; those of the older specification say token, or both.
  const token = fields["token"] || fields["access_token"];
  if (!isToken(token)) throw new StoreError("registry-error", `${server} answered without a token`);
  const life = fields["expires_in"];
  const whole = (typeof life === "number" && life > 0 ? life : DEFAULT_LIFE) * 1000;
  const spent = ageOf(fields["issued_at"], headers.get("date"));
  const refreshToken = fields["refresh_token"];
  return {
    token,
    life: Math.max(0, whole - spent),
    ...(isToken(refreshToken) ? { refreshToken } : {}),
  };
}

/** Printable ASCII: anything else could end a header and begin another. */
function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}

/**
 * How old a token that the server had kept is, in milliseconds. By the server's clock alone, which says in `Date` what time
 * it has: ours may be hours off.
 */
function ageOf(issuedAt: unknown, date: string | undefined): number {
  const issued = typeof issuedAt === "string" ? Date.parse(issuedAt) : Number.NaN;
  const now = Date.parse(date ?? "");
  return Number.isNaN(issued) || Number.isNaN(now) ? 0 : Math.max(0, now - issued);
}

function realmRefused(
  { registry }: Asker,
  why: string,
  more: { hint?: string; cause?: unknown },
): StoreError {
  const hint = more.hint ?? "the answer may be forged; ask who runs the registry";
  return new StoreError("realm-refused", `${registry}: ${why}`, { ...more, hint });
}
