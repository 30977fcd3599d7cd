import type { Authorization } from "./credentials.ts";
import { covers } from "./scope.ts";

/** What a token is for. */
export interface Grant {
  readonly realm: string;
  readonly service: string | undefined;
  /** Whose credentials it was got with. */
  readonly repository: string;
  readonly scopes: readonly string[];
}

interface Kept extends Authorization {
  readonly grant: Grant;
  /** By the monotonic clock, in milliseconds. */
  readonly until: number;
}

/** A token that ends sooner than this is not used any more: the request needs time to arrive. */
const MARGIN = 10_000;

/** Tokens until they expire. One that allows more serves where less is needed. */
export class TokenCache {
  #kept: readonly Kept[] = [];

  find(wanted: Grant): Authorization | undefined {
    const now = performance.now();
    return this.#kept.find(
      ({ grant, until }) =>
        until > now + MARGIN &&
        grant.realm === wanted.realm &&
        grant.service === wanted.service &&
        grant.repository === wanted.repository &&
        covers(grant.scopes, wanted.scopes),
    );
  }

  /** @param until by the monotonic clock, in milliseconds */
  keep(grant: Grant, { header, as }: Authorization, until: number): void {
    const now = performance.now();
    // A process that serves for months meets more repositories than it has use for their tokens.
    this.#kept = [...this.#kept.filter((kept) => kept.until > now + MARGIN), { header, as, grant, until }];
  }

  /** The registry refused it. */
  drop(header: string): void {
    this.#kept = this.#kept.filter((kept) => kept.header !== header);
  }
}

/** One name for what is asked for. */
export function keyOf({ realm, service, repository, scopes }: Grant): string {
  return JSON.stringify([realm, service, repository, [...scopes].sort()]);
}
