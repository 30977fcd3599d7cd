import { type Call, discard, type Environment, isAbort } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { Credentials, CredentialsProvider } from "./auth-credentials.ts";
import { editConfig } from "./credential-edit.ts";
import { type Config, credentialFiles, readConfig } from "./credential-files.ts";
import { askHelper, helperProgram } from "./credential-helper.ts";
import { authsOf, entryFor, helperFor, keysOf, normalize, serverOf } from "./credential-keys.ts";
import { defaultEndpoint } from "./hosts-endpoint.ts";
import { registryItself } from "./remote-hosts.ts";
import type { RemoteOptions } from "./remote-options.ts";

export interface User {
  readonly username: string;
  readonly password: string;
}

export interface LoginOptions extends RemoteOptions {
  /** Where the credentials are kept, see {@link credentialFiles}. Default: the process's environment. */
  readonly env?: Environment;
}

/** Where a `login` put the credentials. */
export interface LoggedIn {
  /** `docker-credential-NAME`, or the path of the file, which is readable to its owner alone. */
  readonly in: string;
  /** Whether the registry wanted credentials at all: where it did not, nobody knows whether they are right. */
  readonly asked: boolean;
  /** What is kept: the password, or an identity token that the registry gave in exchange. */
  readonly kept: "password" | "identity-token";
  /** It lies in the file as it is: no credential helper encrypts it. */
  readonly unencrypted: boolean;
}

/** What a `logout` did. */
export interface LoggedOut {
  /** Where credentials were removed: helpers' programs and files. */
  readonly from: readonly string[];
  /** Entries for single repositories of the registry, which stay: `registry/team` in FILE. */
  readonly left: readonly { readonly key: string; readonly in: string }[];
}

/**
 * Checks a user's password with the registry, then keeps it, or the identity token that the registry's token server gives
 * for it. It goes where credentials for this registry are found now, so that it is the one that counts; where there are none
 * yet, to docker's `config.json`, which every tool reads. There the credential helper keeps it, if one is named.
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
  const env = options.env ?? process.env;
  const keys = keysOf(registry, "");
  const file = await fileInForce(keys, env);
  const key = keys[0] ?? registry;
  const helper = helperFor(await readConfig(file), key);
  if (helper === undefined) {
    const entry = entryOf(user, identity);
    await editConfig(
      file,
      (config) => withAuths(config, { ...without(config, keys), [serverOf(key)]: entry }),
      call,
    );
    return { in: file, asked, kept, unencrypted: true };
  }
  const secret = {
    Username: identity === undefined ? user.username : "<token>",
    Secret: identity ?? user.password,
  };
  const input = JSON.stringify({ ServerURL: serverOf(key), ...secret });
  await askHelper({ name: helper, verb: "store", input, env }, call);
  // What lay in the file before the helper was set up is not to outlive the password.
  await forget(file, keys, call);
  return { in: helperProgram(helper), asked, kept, unencrypted: false };
}

/**
 * Forgets what is kept of a registry, in every file and helper that it would be looked up in.
 *
 * @throws OciError `reference-invalid` for what is no registry; after the other places were seen to, the first of StoreError
 *   `credentials-unreadable`, `helper-failed` and BaseError `folder-unwritable`
 */
export async function logout(
  registry: string,
  options: Pick<LoginOptions, "env">,
  call: Call,
): Promise<LoggedOut> {
  // `https://registry` has no entry: whoever wrote so is not to think that the password is gone.
  defaultEndpoint(registry, false);
  const env = options.env ?? process.env;
  const keys = keysOf(registry, "");
  const from = new Set<string>();
  const left: { key: string; in: string }[] = [];
  const problems: unknown[] = [];
  // One place that fails must not keep a password in the others.
  const attempt = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      if (isAbort(error) || call.signal.aborted) throw error;
      problems.push(error);
    });
  for (const file of credentialFiles(env)) {
    const config = await readConfig(file).catch((): Config => ({}));
    for (const key of keys) {
      const helper = helperFor(config, key);
      if (helper !== undefined) await attempt(erase(helper, key, env, from, call));
    }
    await attempt(
      forget(file, keys, call).then((forgotten) => {
        if (forgotten) from.add(file);
      }),
    );
    const below = (name: string): boolean => keys.some((key) => normalize(name).startsWith(`${key}/`));
    for (const name of Object.keys(authsOf(config)).filter(below))
      left.push({ key: normalize(name), in: file });
  }
  if (problems.length > 0) throw problems[0];
  return { from: [...from], left };
}

async function erase(
  name: string,
  key: string,
  env: Environment,
  from: Set<string>,
  call: Call,
): Promise<void> {
  const input = serverOf(key);
  if ((await askHelper({ name, verb: "get", input, env }, call)) === undefined) return;
  await askHelper({ name, verb: "erase", input, env }, call);
  from.add(helperProgram(name));
}

/** The first file that says anything of the registry, or else the one that a login begins. */
async function fileInForce(keys: readonly string[], env: Environment): Promise<string> {
  const files = credentialFiles(env);
  for (const file of files) {
    // One that cannot be read says nothing; if it is the one to be written, that is told then.
    const config = await readConfig(file).catch((): Config => ({}));
    if (keys.some((key) => entryFor(config, key) !== undefined || ownHelper(config, key))) return file;
  }
  return files.at(-1) ?? "";
}

function ownHelper(config: Config, key: string): boolean {
  return helperFor({ credHelpers: config["credHelpers"] }, key) !== undefined;
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

/** As docker writes it: with an identity token the name alone is in `auth`. */
function entryOf({ username, password }: User, identity: string | undefined): Record<string, string> {
  const auth = (secret: string): string => Buffer.from(`${username}:${secret}`).toString("base64");
  return identity === undefined ? { auth: auth(password) } : { auth: auth(""), identitytoken: identity };
}

/** Takes the keys out of a file. @returns whether any was in it */
async function forget(file: string, keys: readonly string[], call: Call): Promise<boolean> {
  const config = await readConfig(file);
  if (!keys.some((key) => isObject(entryFor(config, key)))) return false;
  await editConfig(file, (now) => withAuths(now, without(now, keys)), call);
  return true;
}

function without(config: Config, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(authsOf(config)).filter(([name]) => !keys.includes(normalize(name))),
  );
}

function withAuths(config: Config, auths: Record<string, unknown>): Config {
  return { ...config, auths };
}
