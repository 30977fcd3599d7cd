import type { Call } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import {
  type Authorization,
  basicHeader,
  type Credentials,
  type CredentialsProvider,
} from "./credentials.ts";
import { scopesOf } from "./scope.ts";
import { SharedWork } from "./shared-work.ts";
import { type Asker, fetchToken, type TokenServer, tokenServerOf } from "./token.ts";
import { type Grant, keyOf, TokenCache } from "./token-cache.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** What for: the repository whose credentials count, and the scopes, such as `repository:a/b:pull,push`. */
export interface Purpose {
  readonly repository: string;
  readonly scopes: readonly string[];
}

/** What is known of a repository's credentials. */
interface LookedUp {
  readonly credentials?: Credentials;
  /** Why they could not be read. */
  readonly problem?: StoreError;
}

const NOBODY: LookedUp = {};

/** Repositories of which something is remembered: who serves others is asked for as many names as they like. */
const REMEMBERED = 10_000;

/**
 * Authenticates to one registry: Basic, or Bearer with tokens by scope
 * (https://distribution.github.io/distribution/spec/auth/token/). Tokens are kept until they expire, and requests that need
 * the same one at the same time have it asked for once.
 */
export class Authenticator {
  readonly #asker: Asker;
  readonly #provider: CredentialsProvider;
  readonly #tokens = new TokenCache();
  readonly #fetches = new SharedWork<Authorization>();
  readonly #lookUps = new SharedWork<LookedUp>();
  /** By repository: what was last found. */
  readonly #found = new Map<string, LookedUp>();
  /** Identity tokens that were exchanged for newer ones. */
  readonly #renewed = new Map<string, string>();
  /** By purpose: scopes that the registry wants beside those that we know of. */
  readonly #wider = new Map<string, readonly string[]>();
  /** What the registry has shown to want. */
  #wants: TokenServer | "basic" | undefined;

  constructor(asker: Asker, provider: CredentialsProvider) {
    this.#asker = asker;
    this.#provider = provider;
  }

  /** What to send unasked: as the registry has shown to want it before. */
  async before(purpose: Purpose, call: Call): Promise<Authorization | undefined> {
    if (this.#wants === undefined) return undefined;
    if (this.#wants !== "basic") return this.#token(this.#wants, purpose, call);
    const known = this.#found.get(purpose.repository) ?? (await this.#lookUp(purpose, call));
    return byBasic(known.credentials);
  }

  /**
   * What answers a 401, or undefined where there is nothing (more) to offer.
   *
   * @param field the answer's `WWW-Authenticate`
   * @param refused what was sent with the refused request
   * @throws StoreError `realm-refused`, and what `fetchToken` throws
   */
  async after(
    field: string,
    purpose: Purpose,
    refused: Authorization | undefined,
    call: Call,
  ): Promise<Authorization | undefined> {
    const challenges = parseChallenges(field);
    const bearer = challenges.find((c) => c.scheme === "bearer" && c.parameters.has("realm"));
    if (refused !== undefined) this.#tokens.drop(refused.header);
    let better: Authorization | undefined;
    if (bearer !== undefined) {
      this.#wants = tokenServerOf(bearer.parameters, this.#asker);
      this.#widen(purpose, bearer);
      better = await this.#token(this.#wants, purpose, call);
    } else if (challenges.some((c) => c.scheme === "basic")) {
      this.#wants = "basic";
      better = byBasic((await this.#lookUp(purpose, call)).credentials);
    }
    if (better === undefined || better.header !== refused?.header) return better;
    this.#tokens.drop(better.header);
    return undefined;
  }

  /** Why a 401 or 403 is the last word. */
  judge(status: number, field: string, purpose: Purpose, sent: Authorization | undefined): Verdict {
    const { problem } = this.#found.get(purpose.repository) ?? NOBODY;
    const byToken =
      sent?.as !== undefined && sent.as.kind !== "access-token" && !sent.header.startsWith("Basic ");
    const shown = { as: sent?.as, sent: sent !== undefined, byToken, problem };
    return verdictOf(status, parseChallenges(field), shown, this.#asker.registry);
  }

  async #token(server: TokenServer, purpose: Purpose, call: Call): Promise<Authorization> {
    const { repository } = purpose;
    const scopes = [...new Set([...purpose.scopes, ...(this.#wider.get(nameOf(purpose)) ?? [])])];
    const grant = { realm: server.realm.href, service: server.service, repository, scopes };
    const kept = this.#tokens.find(grant);
    return (
      kept ?? this.#fetches.run(keyOf(grant), call, (shared) => this.#fetch(server, purpose, grant, shared))
    );
  }

  async #fetch(server: TokenServer, purpose: Purpose, grant: Grant, call: Call): Promise<Authorization> {
    const { credentials: found, problem } = await this.#lookUp(purpose, call);
    if (found?.kind === "access-token") return { header: `Bearer ${found.token}`, as: found };
    const credentials = this.#newest(found);
    const { registry } = this.#asker;
    const what = purpose.repository === "" ? registry : `${registry}/${purpose.repository}`;
    const identity = found?.kind === "password" && this.#provider.keepIdentity !== undefined;
    const begun = performance.now();
    const asked = { scopes: grant.scopes, what, credentials, identity };
    const issued = await fetchToken(server, asked, this.#asker, call).catch((error: unknown) => {
      throw problem === undefined ? error : withProblem(error, problem);
    });
    const { token, life, refreshToken } = issued;
    if (refreshToken !== undefined && identity) this.#provider.keepIdentity?.(refreshToken);
    if (refreshToken !== undefined && found?.kind === "identity-token")
      this.#renewed.set(found.token, refreshToken);
    const authorization = { header: `Bearer ${token}`, as: found };
    this.#tokens.keep(grant, authorization, begun + life);
    return authorization;
  }

  #newest(found: Credentials | undefined): Credentials | undefined {
    if (found?.kind !== "identity-token") return found;
    const token = this.#renewed.get(found.token);
    return token === undefined ? found : { ...found, token };
  }

  /** Read anew each time that the registry is not content: a login meanwhile counts. */
  async #lookUp({ repository }: Purpose, call: Call): Promise<LookedUp> {
    const found = await this.#lookUps.run(repository, call, async (shared) => {
      try {
        const credentials = await this.#provider.get(this.#asker.registry, repository, shared);
        return credentials === undefined ? NOBODY : { credentials };
      } catch (problem) {
        if (problem instanceof StoreError) return { problem };
        throw problem;
      }
    });
    remember(this.#found, repository, found);
    return found;
  }

  #widen(purpose: Purpose, bearer: Challenge): void {
    const more = scopesOf(bearer.parameters.get("scope")).filter((scope) => !purpose.scopes.includes(scope));
    if (more.length > 0) remember(this.#wider, nameOf(purpose), more);
  }
}

/** All of it can be found out again. */
function remember<T>(known: Map<string, T>, key: string, value: T): void {
  if (known.size >= REMEMBERED && !known.has(key)) known.clear();
  known.set(key, value);
}

function nameOf(purpose: Purpose): string {
  return JSON.stringify([purpose.repository, ...purpose.scopes]);
}

function byBasic(credentials: Credentials | undefined): Authorization | undefined {
  if (credentials?.kind === "password") {
    return { header: basicHeader(credentials.username, credentials.password), as: credentials };
  }
  // An identity token is of no use where no token server takes it.
  return credentials?.kind === "access-token"
    ? { header: `Bearer ${credentials.token}`, as: credentials }
    : undefined;
}

/** Where nobody is not let in, the reason is why there is nobody. */
function withProblem(error: unknown, problem: StoreError): unknown {
  if (!(error instanceof StoreError && error.code === "credentials-missing")) return error;
  const hint = problem.hint === undefined ? {} : { hint: problem.hint };
  return new StoreError(problem.code, `${error.message}: ${problem.message}`, { ...hint, cause: problem });
}
