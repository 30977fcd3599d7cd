import { existsSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { messageOf } from "../base/index.ts";
import type { Origin } from "./source-download.ts";
import { SourceError, withoutUser } from "./source-errors.ts";
import { below, type Element, parseXml, textOf } from "./source-xml.ts";

/** A Maven repository, with what it takes to be let in. */
export interface Repository extends Omit<Origin, "network"> {
  /** How it was found, for messages. */
  readonly from: string;
}

/** What Maven's settings say of fetching from the central repository. */
export interface MavenSettings {
  readonly central: Repository;
  /** The folder of what Maven has downloaded. */
  readonly local: string;
}

/** Where settings are looked for. */
export interface MavenHome {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** The repository of Maven's super POM. */
const CENTRAL = "https://repo.maven.apache.org/maven2/";

/**
 * Reads the user's settings and the installation's, as Maven merges them: the user's mirrors come first, and a mirror
 * or server of the user hides one of the same id.
 *
 * @throws SourceError `settings-invalid`, or `payload-denied` where the settings block the repository
 */
export function mavenSettings(where: MavenHome): MavenSettings {
  const files = [join(where.home, ".m2", "settings.xml"), globalSettings(where)];
  const settings = files.flatMap((file) =>
    file !== undefined && existsSync(file) ? [read(file, where)] : [],
  );
  const mirror = mirrorOf("central", CENTRAL, unique(settings.flatMap((s) => s.mirrors)));
  const local = settings.map((s) => s.local).find((path) => path);
  return {
    local: local ?? join(where.home, ".m2", "repository"),
    central:
      mirror === undefined
        ? { url: new URL(CENTRAL), from: "Maven's central repository" }
        : throughMirror(mirror, unique(settings.flatMap((s) => s.servers))),
  };
}

interface Mirror {
  readonly id: string;
  readonly mirrorOf: string;
  readonly url: string;
  readonly blocked: boolean;
  readonly file: string;
}

interface Server {
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly file: string;
}

interface Settings {
  readonly mirrors: readonly Mirror[];
  readonly servers: readonly Server[];
  readonly local: string | undefined;
}

/** `MAVEN_HOME`, else the home of the `mvn` on the path, else where distributions put it. */
function globalSettings({ env }: MavenHome): string | undefined {
  const named = env["MAVEN_HOME"] || env["M2_HOME"];
  if (named) return join(named, "conf", "settings.xml");
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    const mvn = join(folder, "mvn");
    if (!folder || !existsSync(mvn)) continue;
    const settings = join(dirname(dirname(realpathSync(mvn))), "conf", "settings.xml");
    if (existsSync(settings)) return settings;
  }
  return "/etc/maven/settings.xml";
}

function read(file: string, where: MavenHome): Settings {
  let xml: string;
  try {
    xml = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SourceError("settings-invalid", `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
  const root = parseXml(xml, file);
  const text = (element: Element, name: string): string => interpolate(textOf(element, name) ?? "", where);
  return {
    mirrors: below(root, "mirrors", "mirror").map((mirror) => ({
      id: text(mirror, "id"),
      mirrorOf: text(mirror, "mirrorOf"),
      url: text(mirror, "url"),
      blocked: text(mirror, "blocked") === "true",
      file,
    })),
    servers: below(root, "servers", "server").map((server) => ({
      id: text(server, "id"),
      username: text(server, "username"),
      password: text(server, "password"),
      file,
    })),
    local: text(root, "localRepository"),
  };
}

/** `${env.NAME}` and `${user.home}`, as Maven has them in settings; what is not known stays. */
function interpolate(text: string, { env, home }: MavenHome): string {
  return text.replace(/\$\{(?:env\.([^}]+)|(user\.home))\}/g, (whole, name?: string) =>
    name === undefined ? home : (env[name] ?? whole),
  );
}

function unique<T extends { readonly id: string }>(items: readonly T[]): readonly T[] {
  return items.filter((item, i) => items.findIndex((other) => other.id === item.id) === i);
}

/** As Maven's DefaultMirrorSelector: one that names the repository alone wins, else the first whose pattern matches. */
function mirrorOf(id: string, url: string, mirrors: readonly Mirror[]): Mirror | undefined {
  return (
    mirrors.find((mirror) => mirror.mirrorOf === id) ??
    mirrors.find((mirror) => matchesPattern(mirror.mirrorOf, id, new URL(url)))
  );
}

/**
 * Whether a `mirrorOf` list covers a repository: an exact id or a `!id` decides at once, `*`, `external:*` and
 * `external:http:*` may still be overruled by what follows (Maven, "Using Mirrors for Repositories").
 */
function matchesPattern(pattern: string, id: string, url: URL): boolean {
  const external = url.protocol !== "file:" && url.hostname !== "localhost" && url.hostname !== "127.0.0.1";
  let result = false;
  for (const item of pattern.split(",").map((part) => part.trim())) {
    if (item === id) return true;
    if (item === `!${id}`) return false;
    if (item === "*") result = true;
    else if (item === "external:*") result ||= external;
    else if (item === "external:http:*") result ||= external && url.protocol === "http:";
  }
  return result;
}

function throughMirror(mirror: Mirror, servers: readonly Server[]): Repository {
  const from = `mirror ${mirror.id} of ${mirror.file}`;
  if (mirror.blocked) {
    throw new SourceError(
      "payload-denied",
      `${mirror.file} blocks Maven's central repository (mirror ${mirror.id})`,
      {
        hint: "name another repository with --repository",
      },
    );
  }
  const server = servers.find((s) => s.id === mirror.id);
  return { ...repositoryAt(mirror.url, from), ...(server?.username ? { headers: basic(server) } : {}) };
}

/** @throws SourceError `settings-invalid` */
export function repositoryAt(address: string, from: string): Repository {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new SourceError(
      "settings-invalid",
      `${from}: not the URL of a repository: ${withoutUser(address)}`,
      {
        hint: "write https://host/path",
      },
    );
  }
  const { username, password } = url;
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.username = "";
  url.password = "";
  const plain = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { url, from, ...(username === "" ? {} : { headers: basicHeader(plain) }) };
}

function basic(server: Server): Record<string, string> {
  // Maven encrypts passwords as {…} with a master password (settings-security.xml), which only Maven can read.
  if (/^\{.*\}$/s.test(server.password)) {
    throw new SourceError(
      "payload-denied",
      `the password of server ${server.id} in ${server.file} is encrypted`,
      {
        hint: `only Maven can read it: write \${env.NAME} there and set NAME, or name a repository without a password with --repository`,
      },
    );
  }
  return basicHeader(server);
}

function basicHeader(user: { readonly username: string; readonly password: string }): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}` };
}
