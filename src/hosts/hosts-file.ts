import { messageOf } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { HostCapability } from "./endpoint.ts";

/** A host as a `hosts.toml` declares it (https://github.com/containerd/containerd/blob/main/docs/hosts.md). */
export interface DeclaredHost {
  /** Undefined at the root of a file without `server`: the registry itself. */
  readonly url: URL | undefined;
  /** Undefined: all. */
  readonly capabilities: readonly HostCapability[] | undefined;
  /** Paths as written, relative to the file's folder. */
  readonly ca: readonly string[];
  /** Certificate and key; without a key, the certificate's file has it too. */
  readonly client: readonly (readonly [cert: string, key: string | undefined])[];
  readonly skipVerify: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** The URL's path is the API's root, without `/v2`. */
  readonly overridePath: boolean;
  /** In milliseconds. */
  readonly dialTimeout: number | undefined;
  readonly proxy: URL | undefined;
}

/** It may hold a password: it is not repeated. */
const NO_URL = "not the http or https URL of a registry, without a user";

/** In milliseconds: what comes after a longer time, Node.js does at once. */
const LONGEST = 2 ** 31 - 1;

type Table = Readonly<Record<string, unknown>>;

/**
 * The hosts of a `hosts.toml` in the order in which they are tried; the last is its root, the server. Fields that we do
 * not know are left to those who do.
 * @throws StoreError `hosts-invalid`, with the line
 */
export async function parseHostsFile(text: string, path: string): Promise<readonly DeclaredHost[]> {
  // Few have such a file: nobody else waits for the parser.
  const { parse, TomlError } = await import("smol-toml");
  let root: Table;
  try {
    root = parse(text);
  } catch (cause) {
    const line = cause instanceof TomlError ? `:${cause.line}` : "";
    const why = messageOf(cause).split("\n")[0] ?? "";
    // Without its cause: that repeats the lines, and what is secret in them.
    throw new StoreError("hosts-invalid", `${path}${line}: ${why}`, { hint: "it has to be TOML" });
  }
  const fail = (table: string | undefined, key: string, why: string): StoreError =>
    new StoreError("hosts-invalid", `${path}:${lineOf(text, table, key)}: ${key}: ${why}`);
  const hosts = root["host"] ?? {};
  if (!isObject(hosts)) throw fail(undefined, "host", 'write [host."https://mirror.example"]');
  const declared = Object.entries(hosts).map(([name, table]) => {
    if (!isObject(table)) throw fail(undefined, "host", `"${name}" has to be a table`);
    const refuse = (key: string, why: string): StoreError => fail(name, key, why);
    return new HostTable(table, refuse).host(urlOf(name, () => refuse("host", NO_URL)));
  });
  const refuse = (key: string, why: string): StoreError => fail(undefined, key, why);
  const server = new HostTable(root, refuse);
  const name = server.text("server");
  const url = name === undefined ? undefined : urlOf(name, () => refuse("server", NO_URL));
  return [...declared, server.host(url)];
}

/** One table of the file, read field by field. */
class HostTable {
  readonly #table: Table;
  readonly #refuse: (key: string, why: string) => StoreError;

  constructor(table: Table, refuse: (key: string, why: string) => StoreError) {
    this.#table = table;
    this.#refuse = refuse;
  }

  host(url: URL | undefined): DeclaredHost {
    return {
      url,
      capabilities: this.#capabilities(),
      ca: this.#texts("ca"),
      client: this.#client(),
      skipVerify: this.#flag("skip_verify"),
      headers: this.#headers(),
      overridePath: this.#flag("override_path"),
      dialTimeout: this.#duration("dial_timeout"),
      proxy: this.#proxy(),
    };
  }

  text(key: string): string | undefined {
    const value = this.#table[key];
    if (value === undefined || value === "") return undefined;
    if (typeof value !== "string") throw this.#refuse(key, "has to be a text");
    return value;
  }

  #flag(key: string): boolean {
    const value = this.#table[key] ?? false;
    if (typeof value !== "boolean") throw this.#refuse(key, "has to be true or false");
    return value;
  }

  #texts(key: string): readonly string[] {
    const value = this.#table[key] ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.map((item) => {
      if (typeof item === "string" && item !== "") return item;
      throw this.#refuse(key, "has to be a path, or a list of paths");
    });
  }

  #capabilities(): readonly HostCapability[] | undefined {
    const words = this.#texts("capabilities");
    if (words.length === 0) return undefined;
    return words.map((word) => {
      const known = word.toLowerCase();
      if (known === "pull" || known === "resolve" || known === "push") return known;
      throw this.#refuse("capabilities", `"${word}" is none of pull, resolve and push`);
    });
  }

  #client(): DeclaredHost["client"] {
    const value = this.#table["client"] ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.map((item) => {
      const pair: readonly unknown[] = Array.isArray(item) ? item : [item];
      const [cert, key] = pair;
      const isPair = pair.length === (Array.isArray(item) ? 2 : 1);
      if (isPair && typeof cert === "string" && cert !== "" && (key === undefined || typeof key === "string"))
        return [cert, key === "" ? undefined : key];
      throw this.#refuse("client", "has to be a path, a list of paths, or a list of [certificate, key]");
    });
  }

  #headers(): Readonly<Record<string, string>> {
    const value = this.#table["header"] ?? {};
    if (!isObject(value)) throw this.#refuse("header", "has to be a table");
    return Object.fromEntries(
      Object.entries(value).map(([name, content]) => {
        const parts: readonly unknown[] = Array.isArray(content) ? content : [content];
        // The value may be a secret: it is not repeated.
        const sendable = (part: unknown): boolean =>
          typeof part === "string" && /^[\t\x20-\x7e\x80-\xff]*$/.test(part);
        if (/^[\w!#$%&'*+.^`|~-]+$/.test(name) && parts.every(sendable))
          return [name.toLowerCase(), parts.join(", ")];
        throw this.#refuse(name, "is no header that can be sent: write a text, or a list of texts");
      }),
    );
  }

  #proxy(): URL | undefined {
    const text = this.text("proxy");
    const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
    if (text === undefined || url?.protocol === "http:" || url?.protocol === "https:") return url;
    // It may hold a password: it is not repeated.
    throw this.#refuse("proxy", "has to be the http or https URL of a proxy");
  }

  /** As Go writes durations: `1.5s`, `1m30s`. None of any length is no limit, as it is in Go. */
  #duration(key: string): number | undefined {
    const text = this.text(key);
    if (text === undefined || text === "0") return undefined;
    if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text))
      throw this.#refuse(key, "has to be a time such as 5s");
    const units: Readonly<Record<string, number>> = {
      ns: 1e-6,
      us: 1e-3,
      µs: 1e-3,
      ms: 1,
      s: 1000,
      m: 60_000,
      h: 3_600_000,
    };
    const parts = text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g);
    const sum = [...parts].reduce((all, [, n, unit]) => all + Number(n) * (units[unit ?? ""] ?? 0), 0);
    return sum === 0 ? undefined : Math.min(sum, LONGEST);
  }
}

function urlOf(text: string, refused: () => StoreError): URL {
  const whole = text.includes("://") ? text : `https://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "")
    return url;
  throw refused();
}

/** Where a key stands; the parser tells no positions, so the text is asked again. The table's head where it is not found. */
function lineOf(text: string, table: string | undefined, key: string): number {
  let inside = table === undefined;
  let head = 1;
  for (const [n, line] of text.split("\n").entries()) {
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header !== undefined) {
      inside = table === undefined ? !/^\s*"?host"?\s*\./.test(header) : header.includes(table);
      if (inside && table !== undefined) head = n + 1;
      if (inside && header.trim().endsWith(key)) return n + 1;
    } else if (inside && line.trim().replace(/^"/, "").startsWith(key)) return n + 1;
  }
  return head;
}
