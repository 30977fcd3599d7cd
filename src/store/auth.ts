import { type Call, collect, type Network, type RequestOptions, requestFollowing } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import { type Challenge, parseChallenges } from "./auth-challenge.ts";
import type { Credentials, CredentialsProvider } from "./auth-credentials.ts";

/** The registry that wants to know who asks. */
export interface Asker {
  /** As users write it. */
  readonly registry: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly network: Network | undefined;
  readonly idleTimeout: number | undefined;
  /** The registry is on the public internet: it cannot send us to a private token server. */
  isPublic(): boolean;
}

/** What for: the repository whose credentials count, and the scopes, such as `repository:a/b:pull,push`. */
export interface Purpose {
  readonly repository: string;
  readonly scopes: readonly string[];
}

interface Token {
  readonly header: string;
  /** By the monotonic clock, in milliseconds. */
  readonly until: number;
}

const TOKEN_LIMIT = 256 * 1024;
/** A token that ends sooner than this is not used any more: the request needs time to arrive. */
const MARGIN = 10_000;
/** The distribution token specification's default where `expires_in` is missing. */
const DEFAULT_LIFE = 60;

/**
 * Authenticates to one registry: Basic, or Bearer with tokens by scope
 * (https://distribution.github.io/distribution/spec/auth/token/). Tokens are kept until they expire.
 */
export class Authenticator {
  readonly #asker: Asker;
  readonly #credentials: CredentialsProvider;
  readonly #tokens = new Map<string, Token>();
  #bearer: Challenge | undefined;

  constructor(asker: Asker, credentials: CredentialsProvider) {
    this.#asker = asker;
    this.#credentials = credentials;
  }

  /** The `Authorization` to send unasked: what the registry has shown to want before. */
  async before(purpose: Purpose, call: Call): Promise<string | undefined> {
    const kept = this.#tokens.get(keyOf(purpose));
    if (kept !== undefined && kept.until > performance.now() + MARGIN) return kept.header;
    if (this.#bearer === undefined) return undefined;
    return this.#fetchToken(this.#bearer, purpose, call);
  }

  /**
   * The `Authorization` that answers a 401, or undefined where there is nothing (more) to offer.
   *
   * @param refused what was sent with the refused request
   */
  async after(
    field: string,
    purpose: Purpose,
    refused: string | undefined,
    call: Call,
  ): Promise<string | undefined> {
    const challenges = parseChallenges(field);
    const bearer = challenges.find((c) => c.scheme === "bearer" && c.parameters.has("realm"));
    let header: string | undefined;
    if (bearer !== undefined) {
      this.#bearer = bearer;
      header = await this.#fetchToken(bearer, purpose, call);
    } else if (challenges.some((c) => c.scheme === "basic")) {
      const credentials = await this.#credentials.get(this.#asker.registry, purpose.repository, call);
      header = credentials === undefined ? undefined : headerOf(credentials);
      if (header !== undefined) this.#tokens.set(keyOf(purpose), { header, until: Number.POSITIVE_INFINITY });
    }
    if (header === refused) this.#tokens.delete(keyOf(purpose));
    return header === refused ? undefined : header;
  }

  async #fetchToken(challenge: Challenge, purpose: Purpose, call: Call): Promise<string> {
    const { credentials, problem } = await this.#lookUp(purpose, call);
    if (credentials?.kind === "access-token") return headerOf(credentials) ?? "";
    const response = await requestFollowing(this.#tokenRequest(challenge, purpose, credentials), call);
    const { host } = response.url;
    const bytes = await collect(response.body, TOKEN_LIMIT, `the answer of the token server ${host}`);
    if (response.status !== 200) {
      throw new StoreError(
        response.status === 403 ? "denied" : response.status === 429 ? "rate-limited" : "unauthorized",
        `${this.#asker.registry}: its token server ${host} answered ${response.status}`,
        { hint: problem?.message ?? loginHint(this.#asker.registry), cause: problem },
      );
    }
    const { token, life } = parseToken(bytes, host);
    const header = `Bearer ${token}`;
    this.#tokens.set(keyOf(purpose), { header, until: performance.now() + life * 1000 });
    return header;
  }

  /** Broken credentials do not keep anybody from what is public: they are told where that was not enough. */
  async #lookUp(
    purpose: Purpose,
    call: Call,
  ): Promise<{ credentials?: Credentials | undefined; problem?: StoreError }> {
    try {
      return { credentials: await this.#credentials.get(this.#asker.registry, purpose.repository, call) };
    } catch (problem) {
      if (problem instanceof StoreError) return { problem };
      throw problem;
    }
  }

  #tokenRequest(
    challenge: Challenge,
    purpose: Purpose,
    credentials: Credentials | undefined,
  ): RequestOptions {
    const { headers, network, idleTimeout } = this.#asker;
    const url = this.#realm(challenge);
    const query = new URLSearchParams();
    const service = challenge.parameters.get("service");
    if (service !== undefined) query.append("service", service);
    const asked = challenge.parameters.get("scope")?.split(" ") ?? [];
    const scopes = [...new Set([...purpose.scopes, ...asked.filter((s) => s !== "")])];
    const shared = { headers, network, idleTimeout, publicOnly: this.#asker.isPublic() };
    if (credentials?.kind === "identity-token") {
      query.append("scope", scopes.join(" "));
      query.append("client_id", "imgvol");
      query.append("grant_type", "refresh_token");
      query.append("refresh_token", credentials.token);
      const form = { "content-type": "application/x-www-form-urlencoded" };
      const body = Buffer.from(query.toString());
      return { ...shared, method: "POST", url, headers: { ...headers, ...form }, body };
    }
    for (const scope of scopes) query.append("scope", scope);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const authorization = credentials === undefined ? undefined : headerOf(credentials);
    return {
      ...shared,
      method: "GET",
      url,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    };
  }

  /** The registry's word for where credentials go, so it must have come, and they must go, as safely as to itself. */
  #realm(challenge: Challenge): URL {
    const realm = challenge.parameters.get("realm") ?? "";
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const { registry, url: own } = this.#asker;
    const safe = url?.protocol === "https:" || (url?.protocol === "http:" && own.protocol === "http:");
    if (url === undefined || !safe) {
      throw new StoreError("registry-error", `${registry} names a token server that is not safe to ask`, {
        hint: "the realm of its WWW-Authenticate header has to be an https URL",
      });
    }
    url.username = "";
    url.password = "";
    return url;
  }
}

/** What to do when a registry does not let us in. */
export function loginHint(registry: string): string {
  return `run \`imgvol login ${registry}\`, or check that the repository exists and is yours`;
}

function keyOf(purpose: Purpose): string {
  return `${purpose.repository} ${[...purpose.scopes].sort().join(" ")}`;
}

function headerOf(credentials: Credentials): string | undefined {
  if (credentials.kind === "access-token") return `Bearer ${credentials.token}`;
  if (credentials.kind === "identity-token") return undefined;
  const pair = `${credentials.username}:${credentials.password}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

function parseToken(bytes: Uint8Array, host: string): { token: string; life: number } {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // Not repeated: it may hold a token.
  }
  const fields = isObject(answer) ? answer : {};
  const token = fields["token"] || fields["access_token"];
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new StoreError("registry-error", `the token server ${host} answered without a token`);
  }
  const life = fields["expires_in"];
  return { token, life: typeof life === "number" && life > 0 ? life : DEFAULT_LIFE };
}
