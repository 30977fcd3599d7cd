import { mkdir, readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { type Call, discard, errno, replaceFile } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { Credentials } from "./auth-credentials.ts";
import { askHelper } from "./credential-helper.ts";
import { credentialsFile, helperFor, keysOf, normalize, readConfig, serverOf } from "./credentials.ts";
import { RemoteHost } from "./remote-host.ts";
import type { RemoteOptions } from "./remote-options.ts";

export interface LoginOptions extends RemoteOptions {
  /** Where the credentials are kept, see {@link credentialsFile}. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Where a `login` put the credentials, or a `logout` removed them from. */
export interface Kept {
  /** `docker-credential-NAME`, or the path of the file, which holds them readable to its owner. */
  readonly in: string;
}

export interface LoggedIn extends Kept {
  /** Whether the registry wanted credentials at all: where it did not, nobody knows whether they are right. */
  readonly asked: boolean;
}

/**
 * Checks a user's password with the registry, then keeps it: in the credential helper that docker's config names, else in
 * the file itself, with mode 0600.
 *
 * @throws StoreError `unauthorized` where the registry refuses them, `registry-unreachable`
 */
export async function login(
  registry: string,
  user: { readonly username: string; readonly password: string },
  options: LoginOptions,
  call: Call,
): Promise<LoggedIn> {
  const asked = await verify(registry, { kind: "password", ...user }, options, call);
  const env = options.env ?? process.env;
  const file = credentialsFile(env);
  const key = keysOf(registry, "")[0] ?? registry;
  const helper = helperFor(await readConfig(file), key);
  if (helper !== undefined) {
    const entry = { ServerURL: serverOf(key), Username: user.username, Secret: user.password };
    await askHelper(helper, "store", JSON.stringify(entry), env, call);
    return { in: `docker-credential-${helper}`, asked };
  }
  const auth = Buffer.from(`${user.username}:${user.password}`).toString("base64");
  await edit(file, (config) => {
    const auths = without(config["auths"], key);
    return { ...config, auths: { ...auths, [serverOf(key)]: { auth } } };
  });
  return { in: file, asked };
}

/** Forgets what is kept of a registry. Undefined where nothing was. */
export async function logout(
  registry: string,
  options: Pick<LoginOptions, "env">,
  call: Call,
): Promise<Kept | undefined> {
  const env = options.env ?? process.env;
  const file = credentialsFile(env);
  const config = await readConfig(file);
  let kept: Kept | undefined;
  for (const key of keysOf(registry, "")) {
    const helper = helperFor(config, key);
    if (helper !== undefined && (await askHelper(helper, "get", serverOf(key), env, call)) !== undefined) {
      await askHelper(helper, "erase", serverOf(key), env, call);
      kept = { in: `docker-credential-${helper}` };
    }
    const auths = config["auths"];
    if (isObject(auths) && Object.keys(auths).some((name) => normalize(name) === key)) {
      await edit(file, (now) => ({ ...now, auths: without(now["auths"], key) }));
      kept = { in: file };
    }
  }
  return kept;
}

/** Asks the registry's front door (distribution-spec, end-1), which wants to know who we are. @returns whether it does */
async function verify(
  registry: string,
  credentials: Credentials,
  options: RemoteOptions,
  call: Call,
): Promise<boolean> {
  let asked = false;
  const get = async (): Promise<Credentials> => {
    asked = true;
    return credentials;
  };
  const host = new RemoteHost(registry, { ...options, credentials: { get } });
  const purpose = { repository: "", scopes: [] };
  const front = { method: "GET", url: new URL("v2/", host.url), purpose, what: registry, expect: [200] };
  try {
    await discard(await host.ask(front, call));
    return asked;
  } catch (error) {
    if (!(error instanceof StoreError && error.code === "unauthorized")) throw error;
    throw new StoreError("unauthorized", `${registry} refused the user name or password`, {
      hint: "check them; many registries want an access token in the place of the password",
      cause: error,
    });
  }
}

function without(auths: unknown, key: string): Record<string, unknown> {
  const entries = Object.entries(isObject(auths) ? auths : {});
  return Object.fromEntries(entries.filter(([name]) => normalize(name) !== key));
}

/** Changes the file as its owner would: other fields, their order and the indentation stay. */
async function edit(
  file: string,
  change: (config: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // A link to the file (from a dotfiles folder, say) stays a link.
  const target = await realpath(file).catch(() => file);
  const before = await readFile(target, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT") return "";
    throw new StoreError("unauthorized", `cannot read ${target}`, { cause: error });
  });
  const indent = /^[\t ]+/m.exec(before)?.[0] ?? "\t";
  const end = before === "" || before.endsWith("\n") ? "\n" : "";
  const text = JSON.stringify(change(await readConfig(target)), undefined, indent) + end;
  await replaceFile(target, Buffer.from(text), 0o600);
}
