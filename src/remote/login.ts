import {
  type Credentials,
  type CredentialsProvider,
  type Kept,
  keepCredentials,
  type User,
} from "../auth/index.ts";
import { type Call, discard, type Environment } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { registryItself } from "./hosts.ts";
import type { RemoteOptions } from "./options.ts";

export interface LoginOptions extends RemoteOptions {
  /** Where the credentials are kept, see {@link credentialFiles}. Default: the process's environment. */
  readonly env?: Environment;
}

/** What a `login` did. */
export interface LoggedIn extends Kept {
  /** Whether the registry wanted credentials at all: where it did not, nobody knows whether they are right. */
  readonly asked: boolean;
  /** What is kept: the password, or an identity token that the registry gave in exchange. */
  readonly kept: "password" | "identity-token";
}

/**
 * Checks a user's password with the registry, then keeps it, or the identity token that the registry's token server gives
 * for it; where, {@link keepCredentials} says.
 *
 * @throws StoreError `credentials-wrong` where the registry refuses them, `credentials-unreadable`, `helper-failed`,
 *   `registry-unreachable` and what else a request throws; BaseError `folder-unwritable`
 */
export async function login(
  registry: string,
  user: User,
  options: LoginOptions,
  call: Call,
): Promise<LoggedIn> {
  if (user.username.includes(":")) {
    throw new StoreError("credentials-wrong", `a user's name cannot hold a colon: ${user.username}`, {
      hint: "what follows the colon would be taken for the password (RFC 7617)",
      wrongUse: true,
    });
  }
  const { asked, identity } = await verify(registry, user, options, call);
  const kept = identity === undefined ? "password" : "identity-token";
  const where = await keepCredentials(registry, user, identity, options.env ?? process.env, call);
  return { ...where, asked, kept };
}

/** Asks the registry's front door (distribution-spec, end-1), which wants to know who we are. */
async function verify(
  registry: string,
  user: User,
  options: RemoteOptions,
  call: Call,
): Promise<{ asked: boolean; identity?: string }> {
  let asked = false;
  let identity: string | undefined;
  const credentials: CredentialsProvider = {
    async get(): Promise<Credentials> {
      asked = true;
      return { kind: "password", ...user };
    },
    keepIdentity(token) {
      identity = token;
    },
  };
  const host = await registryItself(registry, { ...options, credentials });
  const purpose = { repository: "", scopes: [] };
  const front = { method: "GET", url: host.endpoint.api, purpose, what: registry, expect: [200] };
  await discard(await host.ask(front, call));
  return identity === undefined ? { asked } : { asked, identity };
}
