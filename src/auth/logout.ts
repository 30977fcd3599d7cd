import { type Call, type Environment, isAbort } from "../base/index.ts";
import { defaultEndpoint } from "../hosts/index.ts";
import { type Config, credentialFiles, readConfig } from "./credential-files.ts";
import { askHelper, helperProgram } from "./credential-helper.ts";
import { forget } from "./credential-keep.ts";
import { authsOf, helperFor, keysOf, normalize, serverOf } from "./credential-keys.ts";

/** What a `logout` did. */
export interface LoggedOut {
  /** Where credentials were removed: helpers' programs and files. */
  readonly from: readonly string[];
  /** Entries for single repositories of the registry, which stay: `registry/team` in FILE. */
  readonly left: readonly { readonly key: string; readonly in: string }[];
}

/**
 * Forgets what is kept of a registry, in every file and helper that it would be looked up in.
 *
 * @throws OciError `reference-invalid` for what is no registry; after the other places were seen to, the first of StoreError
 *   `credentials-unreadable`, `helper-failed` and BaseError `folder-unwritable`
 */
export async function logout(
  registry: string,
  options: { readonly env?: Environment },
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
  const server = serverOf(key);
  if ((await askHelper({ name, verb: "get", server, env }, call)) === undefined) return;
  await askHelper({ name, verb: "erase", server, env }, call);
  from.add(helperProgram(name));
}
