import type { Call } from "../base/index.ts";

/** What proves to a registry who asks. Never printed, and never part of an error. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** To be exchanged for access tokens at the registry's token server. */
  | { readonly kind: "identity-token"; readonly token: string }
  /** An access token, sent as it is. */
  | { readonly kind: "access-token"; readonly token: string };

/** Knows credentials by registry. Asked when a registry wants to know who we are, never before. */
export interface CredentialsProvider {
  /** @throws StoreError `unauthorized` where they cannot be read */
  get(registry: string, repository: string, call: Call): Promise<Credentials | undefined>;
}

/** Knows nobody. */
export const anonymous: CredentialsProvider = { get: async () => undefined };
