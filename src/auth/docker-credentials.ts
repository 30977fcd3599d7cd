import { type Call, type Environment, printable } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import { type Config, credentialFiles, readConfig, unreadable } from "./credential-files.ts";
import { askHelper } from "./credential-helper.ts";
import { entryFor, helperFor, keysOf, serverOf } from "./credential-keys.ts";
import type { Credentials, CredentialsProvider } from "./credentials.ts";

export interface CredentialOptions {
  /** The longest that a credential helper may take, in milliseconds. Default 2 min: it may have to ask its user. */
  readonly helperTimeout?: number;
}

/**
 * The user's credentials: of podman's `auth.json` and docker's `config.json` (see {@link credentialFiles}), and of the
 * credential helpers that they name. Read anew each time it is asked: a `login` meanwhile counts.
 *
 * What has no entry in one file is looked up in the next. In a file the nearest key counts (`registry/team` before
 * `registry`), and for a key its helper before what the file holds.
 */
export function dockerCredentials(
  env: Environment = process.env,
  options: CredentialOptions = {},
): CredentialsProvider {
  return {
    async get(registry, repository, call) {
      let problem: StoreError | undefined;
      for (const file of credentialFiles(env)) {
        try {
          const config = await readConfig(file);
          for (const key of keysOf(registry, repository)) {
            const found = (await byHelper(config, key, env, options, call)) ?? inFile(config, key, file);
            if (found !== undefined) return found;
          }
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          // What comes after may do; where it does not, the first reason is the one to tell.
          problem ??= error;
        }
      }
      if (problem !== undefined) throw problem;
      return undefined;
    },
  };
}

async function byHelper(
  config: Config,
  key: string,
  env: Environment,
  { helperTimeout }: CredentialOptions,
  call: Call,
): Promise<Credentials | undefined> {
  const helper = helperFor(config, key);
  if (helper === undefined) return undefined;
  return askHelper({ name: helper, verb: "get", server: serverOf(key), env, timeout: helperTimeout }, call);
}

/** @throws StoreError `credentials-unreadable` */
function inFile(config: Config, key: string, file: string): Credentials | undefined {
  const entry = entryFor(config, key);
  if (!isObject(entry)) return undefined;
  const { identitytoken, registrytoken, auth, username, password } = entry;
  const from = file;
  if (isText(identitytoken)) return { kind: "identity-token", token: identitytoken, from };
  if (isText(registrytoken)) {
    // It is sent as it is: anything else could end a header and begin another.
    if (!/^[\x21-\x7e]+$/.test(registrytoken))
      throw unreadable(file, `its "registrytoken" for ${printable(key)} cannot be a token`);
    return { kind: "access-token", token: registrytoken, from };
  }
  if (isText(auth)) {
    const pair = pairOf(auth);
    if (pair === undefined)
      throw unreadable(file, `its "auth" for ${printable(key)} is not base64 of name:password`);
    // Docker's, where a helper or a token holds the rest: a name alone, or nothing at all.
    if (pair.password !== "") return { kind: "password", ...pair, from };
  }
  if (isText(username) && isText(password)) return { kind: "password", username, password, from };
  return undefined;
}

/** Base64 in any of its spellings; the password may hold colons, and the name be empty. */
function pairOf(auth: string): { username: string; password: string } | undefined {
  const text = auth.replace(/\s/g, "");
  if (!/^[\w+/-]*={0,2}$/.test(text)) return undefined;
  const pair = Buffer.from(text, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  if (colon < 0) return undefined;
  // Old dockers padded the pair with zeros.
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1).replace(/\0+$/, "") };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
