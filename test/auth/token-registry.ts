import type { ServerResponse } from "node:http";
import type { Credentials, CredentialsProvider } from "../../src/auth/index.ts";
import { type Descriptor, digestOf, MediaType } from "../../src/oci/index.ts";
import { type Peer, peer, reply, type Seen } from "../remote/peer.ts";

export const blob: Uint8Array = Buffer.from("content");
/** A blob that every one of these registries has. */
export const d: Descriptor = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };
export const user: Credentials = { kind: "password", username: "me", password: "sekret-pw", from: "FILE" };
export const identity: Credentials = {
  kind: "identity-token",
  token: "sekret-id",
  from: "docker-credential-x",
};
export const access: Credentials = { kind: "access-token", token: "sekret-at", from: "FILE" };
export const knows = (credentials: Credentials | undefined): CredentialsProvider => ({
  get: async () => credentials,
});

export interface Answers {
  /** To the nth token request; default a token `tN` that lives for 300 s. */
  token?(n: number, seen: Seen, response: ServerResponse): void;
  /** To a request with a token; default 200. */
  use?(token: string, seen: Seen, response: ServerResponse): void;
  challenge?(seen: Seen): string;
}

export const scopeOf = ({ method }: Seen): string =>
  `repository:a/b:${/GET|HEAD/.test(method) ? "pull" : "pull,push"}`;

/** A registry that wants tokens, and their server, on one host. */
export async function tokenRegistry(
  answers: Answers = {},
): Promise<Peer & { readonly tokens: () => Seen[] }> {
  let issued = 0;
  const registry = await peer((seen, response) => {
    if (seen.path.startsWith("/token")) {
      const n = issued++;
      if (answers.token) return answers.token(n, seen, response);
      return reply(response, 200, {}, JSON.stringify({ token: `t${n}`, expires_in: 300 }));
    }
    const token = /^Bearer (.*)$/.exec(seen.headers.authorization ?? "")?.[1];
    if (token === undefined) return challenge(seen, response);
    if (answers.use) return answers.use(token, seen, response);
    reply(response, 200, { "content-length": `${blob.length}` }, seen.method === "HEAD" ? "" : blob);
  });
  const challenge = (seen: Seen, response: ServerResponse): void => {
    const scope = answers.challenge?.(seen) ?? `scope="${scopeOf(seen)}"`;
    const field = `Bearer realm="http://${registry.host}/token",service="here",${scope}`;
    reply(response, 401, { "www-authenticate": field });
  };
  return { ...registry, tokens: () => registry.seen.filter((s) => s.path.startsWith("/token")) };
}

export const scopesAsked = (seen: Seen): string[] =>
  new URL(seen.path, "http://x").searchParams.getAll("scope");
