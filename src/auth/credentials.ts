import type { Call } from "../base/index.ts";

/** What proves to a registry who asks. Never printed, and never part of an error, but for the user's name. */
export type Credentials = (
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** To be exchanged for access tokens at the registry's token server. */
  | { readonly kind: "identity-token"; readonly token: string }
  /** An access token, sent as it is. */
  | { readonly kind: "access-token"; readonly token: string }
) & {
  /** Where they are kept, for messages: the path of a file, or a helper's program. */
  readonly from?: string;
};

/** What goes with a request, and who it says that we are. */
export interface Authorization {
  /** The field's value. */
  readonly header: string;
  /** Undefined: nobody, whom a token server gives tokens for what is public. */
  readonly as: Credentials | undefined;
}

/** Knows credentials by registry. Asked when a registry wants to know who we are, never before. */
export interface CredentialsProvider {
  /** @throws StoreError `credentials-unreadable`, `helper-failed` */
  get(registry: string, repository: string, call: Call): Promise<Credentials | undefined>;
  /** Where it is there, token servers are asked for an identity token in exchange for the password; not all give one. */
  keepIdentity?(token: string): void;
}

/** Knows nobody. */
export const anonymous: CredentialsProvider = { get: async () => undefined };

/** `the password of "me" from FILE`: what was shown, without showing it. */
export function describeCredentials(credentials: Credentials): string {
  const from = credentials.from === undefined ? "" : ` from ${credentials.from}`;
  if (credentials.kind === "password")
    return `the password of ${JSON.stringify(credentials.username)}${from}`;
  return `the ${credentials.kind === "identity-token" ? "identity" : "access"} token${from}`;
}

/** `Authorization: Basic` (RFC 7617), in UTF-8 as every registry reads it. */
export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Shorter words could stand in a message for other reasons, and would be told by their absence. */
const SHORTEST_SECRET = 4;

/** Takes credentials out of what a server says: some repeat the request that they refuse. */
export function withoutSecrets(text: string, credentials: Credentials | undefined, header = ""): string {
  const secrets = [header.replace(/^\w+ /, "")];
  if (credentials?.kind === "password") {
    const { username, password } = credentials;
    secrets.push(basicHeader(username, password).slice("Basic ".length), password);
  } else if (credentials !== undefined) secrets.push(credentials.token);
  return secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .reduce((left, secret) => left.replaceAll(secret, "***"), text);
}
