import type { Call, Environment } from "../base/index.ts";
import { isObject } from "../oci/index.ts";
import { editConfig } from "./credential-edit.ts";
import { type Config, credentialFiles, readConfig } from "./credential-files.ts";
import { askHelper, helperProgram } from "./credential-helper.ts";
import { authsOf, entryFor, helperFor, keysOf, normalize, serverOf } from "./credential-keys.ts";

export interface User {
  readonly username: string;
  readonly password: string;
}

/** Where credentials were put. */
export interface Kept {
  /** `docker-credential-NAME`, or the path of the file, which is readable to its owner alone. */
  readonly in: string;
  /** It lies in the file as it is: no credential helper encrypts it. */
  readonly unencrypted: boolean;
}

/**
 * Keeps a user's password, or the identity token that was given for it, where credentials for this registry are found now, so
 * that it is the one that counts; where there are none yet, in docker's `config.json`, which every tool reads. There the
 * credential helper keeps it, if one is named.
 *
 * @throws StoreError `credentials-unreadable`, `helper-failed`; BaseError `folder-unwritable`
 */
export async function keepCredentials(
  registry: string,
  user: User,
  identity: string | undefined,
  env: Environment,
  call: Call,
): Promise<Kept> {
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
    return { in: file, unencrypted: true };
  }
  const secret = {
    Username: identity === undefined ? user.username : "<token>",
    Secret: identity ?? user.password,
  };
  const server = serverOf(key);
  const input = JSON.stringify({ ServerURL: server, ...secret });
  await askHelper({ name: helper, verb: "store", server, input, env }, call);
  // What lay in the file before the helper was set up is not to outlive the password.
  await forget(file, keys, call);
  return { in: helperProgram(helper), unencrypted: false };
}

/** Takes the keys out of a file. @returns whether any was in it */
export async function forget(file: string, keys: readonly string[], call: Call): Promise<boolean> {
  const config = await readConfig(file);
  if (!keys.some((key) => isObject(entryFor(config, key)))) return false;
  await editConfig(file, (now) => withAuths(now, without(now, keys)), call);
  return true;
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

/** As docker writes it: with an identity token the name alone is in `auth`. */
function entryOf({ username, password }: User, identity: string | undefined): Record<string, string> {
  const auth = (secret: string): string => Buffer.from(`${username}:${secret}`).toString("base64");
  return identity === undefined ? { auth: auth(password) } : { auth: auth(""), identitytoken: identity };
}

function without(config: Config, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(authsOf(config)).filter(([name]) => !keys.includes(normalize(name))),
  );
}

function withAuths(config: Config, auths: Record<string, unknown>): Config {
  return { ...config, auths };
}
