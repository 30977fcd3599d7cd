import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SourceError, withoutUser } from "./source-errors.ts";

export interface NpmHome {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** What npm's settings say of fetching packages. */
export interface NpmConfig {
  /** The registry for a package, with what it takes to be let in. */
  registryFor(name: string): { readonly url: URL; readonly headers: Readonly<Record<string, string>> };
  /** A PEM file of authorities to trust. */
  readonly cafile: string | undefined;
}

const PUBLIC = "https://registry.npmjs.org/";

/**
 * Reads npm's settings where npm does: variables `npm_config_…`, then the user's `.npmrc`, then the installation's. A
 * project's `.npmrc` is not read: what is fetched does not depend on the folder one stands in.
 *
 * @throws SourceError `settings-invalid`
 */
export function npmConfig(where: NpmHome): NpmConfig {
  const settings = new Map<string, string>();
  for (const file of [...globalFiles(where), userFile(where)]) {
    if (existsSync(file))
      for (const [key, value] of parseIni(readFileSync(file, "utf8"), where)) settings.set(key, value);
  }
  for (const [name, value] of Object.entries(where.env)) {
    const key = /^npm_config_(.+)$/i.exec(name)?.[1];
    // npm's own spelling of a variable: lower case, `_` for `-`; keys of one registry (`//host/:…`) stay as they are.
    if (key !== undefined && value) settings.set(key.startsWith("//") ? key : key.toLowerCase(), value);
  }
  return {
    cafile: settings.get("cafile"),
    registryFor(name) {
      const scope = name.startsWith("@")
        ? settings.get(`${name.slice(0, name.indexOf("/"))}:registry`)
        : undefined;
      const url = registryUrl(scope ?? settings.get("registry") ?? PUBLIC);
      return { url, headers: credentials(url, settings) };
    },
  };
}

function userFile({ env, home }: NpmHome): string {
  return env["npm_config_userconfig"] || env["NPM_CONFIG_USERCONFIG"] || join(home, ".npmrc");
}

/** The installation's file is below npm's prefix, which is Node.js's own unless it was moved. */
function globalFiles({ env }: NpmHome): string[] {
  const named = env["npm_config_globalconfig"] || env["NPM_CONFIG_GLOBALCONFIG"];
  if (named) return [named];
  const prefix = env["npm_config_prefix"] || env["PREFIX"] || dirname(dirname(process.execPath));
  return [...new Set(["/usr/etc/npmrc", "/usr/local/etc/npmrc", join(prefix, "etc", "npmrc")])];
}

function* parseIni(text: string, { env }: NpmHome): Iterable<[string, string]> {
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    const [, key, value] = /^\s*([^=#;\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const bare = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value.replace(/\s[#;].*$/, "");
    yield [
      key,
      bare.replace(/\$\{([^}]+)\}/g, (whole, name: string) => env[name.replace(/\?$/, "")] ?? whole),
    ];
  }
}

function registryUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new SourceError("settings-invalid", `npm's registry is not a URL: ${withoutUser(address)}`, {
      hint: "see npm config get registry",
    });
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** Credentials are kept for a registry's host and path, or a folder above it (npm, ".npmrc", "Auth related configuration"). */
function credentials(url: URL, settings: ReadonlyMap<string, string>): Record<string, string> {
  for (let path = url.pathname; ; path = resolve(path, "..").replace(/\/?$/, "/")) {
    const at = `//${url.host}${path}`;
    const own = (name: string): string | undefined =>
      settings.get(`${at}:${name}`) ?? settings.get(`${at.replace(/\/$/, "")}:${name}`);
    const token = own("_authToken");
    if (token) return { authorization: `Bearer ${token}` };
    const basic = own("_auth");
    if (basic) return { authorization: `Basic ${basic}` };
    const [user, password] = [own("username"), own("_password")];
    if (user && password) {
      const plain = Buffer.from(password, "base64").toString("utf8");
      return { authorization: `Basic ${Buffer.from(`${user}:${plain}`).toString("base64")}` };
    }
    if (path === "/") return {};
  }
}
