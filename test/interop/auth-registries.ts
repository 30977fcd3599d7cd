import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import bcrypt from "bcryptjs";
import { quietCall } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { distribution } from "../peers/distribution.ts";
import { distributionConfig, dockerRegistry } from "../peers/docker-registry.ts";
import { type Peer, programOf } from "../peers/program.ts";
import { startServer } from "../peers/server.ts";
import type { TokenServerConfig } from "../peers/token-server.ts";
import { certificate } from "../peers/token-server-key.ts";

/** The registries that ask a token server of others. */
export const TOKEN_REGISTRIES: readonly Peer[] = [dockerRegistry, distribution];

export interface AuthRegistry extends AsyncDisposable {
  readonly host: string;
  /** What the server wrote of its requests, where it is ours. */
  readonly accessLog: readonly string[];
}

export interface TokenRegistry extends AuthRegistry {
  readonly tokens: TokenServer;
}

export interface TokenServer {
  readonly host: string;
  /** Changes what it does from now on. */
  change(config: Partial<TokenServerConfig>): Promise<void>;
  /** What it was asked for so far. */
  log(): Promise<readonly TokenLine[]>;
}

export interface TokenLine {
  readonly status: number;
  readonly user?: string;
  readonly grant?: string;
  readonly scopes?: readonly string[];
}

/** A token server as a process of its own, and a registry that sends its clients there. */
export async function startTokenRegistry(
  peer: Peer,
  users: TokenServerConfig["users"],
  more: Partial<TokenServerConfig> = {},
): Promise<TokenRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-token-"));
  const at = (name: string): string => join(folder, name);
  let config: TokenServerConfig = {
    issuer: "token-server.example",
    service: "registry.example",
    users,
    expiresIn: 300,
    log: at("tokens.log"),
    ...more,
  };
  await writeFile(at("tokens.json"), JSON.stringify(config));
  await writeFile(at("root.pem"), certificate);
  await writeFile(config.log, "");
  const program = join(import.meta.dirname, "../peers/token-server.ts");
  const tokens = await startServer(process.execPath, [program, at("tokens.json")]);
  const auth = [
    "auth:",
    "  token:",
    `    realm: http://${tokens.host}/token`,
    `    service: ${config.service}`,
    `    issuer: ${config.issuer}`,
    `    rootcertbundle: ${at("root.pem")}`,
  ];
  await writeFile(at("registry.yml"), distributionConfig(at("data"), auth));
  const registry = await startServer(await programOf(peer), ["serve", at("registry.yml")]);
  return {
    host: registry.host,
    accessLog: [],
    tokens: {
      host: tokens.host,
      async change(now) {
        config = { ...config, ...now };
        await writeFile(at("tokens.json"), JSON.stringify(config));
      },
      async log() {
        const lines = (await readFile(config.log, "utf8")).split("\n");
        return lines.filter((line) => line !== "").map((line): TokenLine => JSON.parse(line));
      },
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A registry that asks for a password of a file of users: another's, or ours. */
export async function startHtpasswdRegistry(
  which: Peer | "ours",
  users: Readonly<Record<string, string>>,
): Promise<AuthRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-htpasswd-"));
  const file = join(folder, "users");
  const lines = await Promise.all(
    // As Apache writes it: distribution knows no other letter.
    Object.entries(users).map(
      async ([user, password]) => `${user}:${(await bcrypt.hash(password, 5)).replace("$2b$", "$2y$")}\n`,
    ),
  );
  await writeFile(file, lines.join(""));
  const accessLog: string[] = [];
  const running =
    which === "ours"
      ? await startRegistry(
          { host: "127.0.0.1", port: 0, htpasswd: file, accessLog: (line) => void accessLog.push(line) },
          quietCall(),
        )
      : undefined;
  const config = join(folder, "registry.yml");
  const auth = [`auth: { htpasswd: { realm: here, path: ${file} } }`];
  await writeFile(config, distributionConfig(join(folder, "data"), auth));
  const peer =
    running ??
    (await startServer(await programOf(which === "ours" ? dockerRegistry : which), ["serve", config]));
  return {
    host: running === undefined ? peer.host : `127.0.0.1:${running.port}`,
    accessLog,
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A user of this machine: a home, credentials in it, and a folder to be pushed. */
export interface Home extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly tree: string;
  readonly config: string;
  at(name: string): string;
  /** Docker's config.json. */
  write(config: unknown): Promise<void>;
  /** Puts an executable `docker-credential-NAME` on the PATH. */
  helper(name: string, script: string): Promise<void>;
  /** Every file below the home but the credentials', and every name: the places where nothing secret may be. */
  remains(): Promise<string>;
}

export async function openHome(): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-user-"));
  const at = (name: string): string => join(folder, name);
  for (const name of ["home", "home/.docker", "bin", "tree", "run"]) await mkdir(at(name));
  await writeFile(at("tree/file"), "content");
  const config = at("home/.docker/config.json");
  return {
    env: {
      HOME: at("home"),
      XDG_RUNTIME_DIR: at("run"),
      IMGVOL_CACHE: at("cache"),
      PATH: `${at("bin")}${delimiter}${process.env["PATH"] ?? ""}`,
      DOCKER_CONFIG: "",
      REGISTRY_AUTH_FILE: "",
    },
    tree: at("tree"),
    config,
    at,
    write: (value) => writeFile(config, JSON.stringify(value), { mode: 0o600 }),
    async helper(name, script) {
      const program = at(`bin/docker-credential-${name}`);
      await writeFile(program, `#!/bin/sh\n${script}\n`);
      await chmod(program, 0o755);
    },
    async remains() {
      let all = "";
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        all += `${path}\n`;
        const known = path === config || path.startsWith(at("bin/")) || path.startsWith(at("vault"));
        if (entry.isFile() && !known) all += await readFile(path, "latin1");
      }
      return all;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** A secret as it is, and in all the ways in which it could slip into a text. */
export function spellings(user: string, secret: string): string[] {
  const pair = Buffer.from(`${user}:${secret}`).toString("base64");
  return [
    secret,
    encodeURIComponent(secret),
    pair,
    Buffer.from(secret).toString("base64"),
    secret.toLowerCase(),
  ];
}

/** @throws AssertionError where a text holds a secret, or the beginning of a JSON Web Token */
export function assertNoSecret(text: string, secrets: readonly string[], where: string): void {
  for (const secret of secrets)
    assert.ok(!text.includes(secret), `${where} tells a secret: ${text.slice(0, 4000)}`);
  assert.doesNotMatch(text, /eyJ[\w-]{20,}/, `${where} tells a token`);
}
