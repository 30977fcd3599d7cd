// A token server as the distribution project specifies it (https://distribution.github.io/distribution/spec/auth/token/ and
// …/auth/oauth/): a program of its own, which knows nothing of imgvol.
// Usage: node token-server.ts CONFIG.json

import { createHash, randomUUID, sign } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { certificate, key } from "./token-server-key.ts";

export interface TokenServerConfig {
  readonly issuer: string;
  readonly service: string;
  /** By name: the password, and what may be done, by repository. `*` is any repository. */
  readonly users: Readonly<Record<string, TokenUser>>;
  /** What nobody in particular may do. */
  readonly anonymous?: Rights;
  /** What a client is told, in seconds. */
  readonly expiresIn: number;
  /** What the token itself says, in seconds from now; may lie in the past. Default `expiresIn`. */
  readonly validFor?: number;
  /** Refuse with 403 what is not allowed, instead of a token that allows less. */
  readonly strict?: boolean;
  /** The status of every answer, for a server that has a bad day. */
  readonly fail?: number;
  /** Repeat in refusals what was sent, as servers do that are being debugged. */
  readonly echo?: boolean;
  /** A line of JSON is appended for each request: never a secret. */
  readonly log: string;
}

export type Rights = Readonly<Record<string, readonly string[]>>;

export interface TokenUser {
  readonly password: string;
  readonly rights: Rights;
  /** Identity tokens that were given out before, and do not count any more. */
  readonly revoked?: readonly string[];
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

interface Asked {
  readonly service: string;
  readonly scopes: readonly string[];
  readonly offline: boolean;
  /** Undefined: nobody in particular. */
  readonly user: string | undefined;
  readonly grant: "anonymous" | "basic" | "refresh_token" | "password";
}

/** A refusal, as the specification in question has it. */
class Refused extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super("refused");
    this.status = status;
    this.body = body;
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An identity token: here it is what its user's name and password make, so that nothing has to be kept. */
function identityOf(name: string, user: TokenUser): string {
  return `identity-${createHash("sha256").update(`${name}\0${user.password}`).digest("hex")}`;
}

function authenticate(config: TokenServerConfig, request: IncomingMessage, form: URLSearchParams): Asked {
  const url = new URL(request.url ?? "", "http://x");
  const { authorization } = request.headers;
  if (request.method === "POST") return byForm(config, form);
  const asked = {
    service: url.searchParams.get("service") ?? "",
    scopes: url.searchParams.getAll("scope").flatMap((scope) => scope.split(" ")),
    offline: url.searchParams.get("offline_token") === "true",
  };
  if (authorization === undefined) return { ...asked, user: undefined, grant: "anonymous" };
  const pair = Buffer.from(authorization.replace(/^Basic /i, ""), "base64").toString();
  const colon = pair.indexOf(":");
  const user = pair.slice(0, colon);
  if (config.users[user]?.password === pair.slice(colon + 1)) return { ...asked, user, grant: "basic" };
  const message = config.echo ? `who is ${pair} (${authorization})?` : "incorrect username or password";
  throw new Refused(401, { errors: [{ code: "UNAUTHORIZED", message, detail: null }] });
}

function byForm(config: TokenServerConfig, form: URLSearchParams): Asked {
  const asked = {
    service: form.get("service") ?? "",
    scopes: (form.get("scope") ?? "").split(" ").filter((scope) => scope !== ""),
    offline: form.get("access_type") === "offline",
  };
  const grant = form.get("grant_type");
  if (!form.get("client_id")) throw new Refused(400, { error: "invalid_request" });
  if (grant === "refresh_token") {
    const token = form.get("refresh_token") ?? "";
    for (const [name, user] of Object.entries(config.users)) {
      const valid = identityOf(name, user) === token && !(user.revoked ?? []).includes(token);
      if (valid) return { ...asked, user: name, grant };
    }
    const why = config.echo ? `${token} is unknown` : "the token has expired";
    throw new Refused(400, { error: "invalid_grant", error_description: why });
  }
  const name = form.get("username") ?? "";
  if (grant === "password" && config.users[name]?.password === form.get("password")) {
    return { ...asked, user: name, grant };
  }
  throw new Refused(400, { error: grant === "password" ? "invalid_grant" : "unsupported_grant_type" });
}

function granted(config: TokenServerConfig, asked: Asked): Access[] {
  const rights =
    asked.user === undefined ? (config.anonymous ?? {}) : (config.users[asked.user]?.rights ?? {});
  return asked.scopes.map((scope) => {
    const match = /^([a-z]+)(?:\([^)]*\))?:(.+):([a-z*,]+)$/.exec(scope);
    if (match === null)
      throw new Refused(400, { errors: [{ code: "UNSUPPORTED", message: "malformed scope" }] });
    const [, type = "", name = "", wanted = ""] = match;
    const allowed = rights[name] ?? rights["*"] ?? [];
    const actions = wanted.split(",").filter((action) => allowed.includes(action));
    if (config.strict && actions.length < wanted.split(",").length) {
      throw new Refused(403, { errors: [{ code: "DENIED", message: `${scope} is not allowed` }] });
    }
    return { type, name, actions };
  });
}

/** A JSON Web Token (RFC 7519) with the certificate in its header (RFC 7515, section 4.1.6). */
function issue(config: TokenServerConfig, asked: Asked, access: readonly Access[], now: number): string {
  const der = certificate.replace(/-----[A-Z ]+-----|\s/g, "");
  const head = base64url({ typ: "JWT", alg: "ES256", x5c: [der] });
  const claims = base64url({
    iss: config.issuer,
    sub: asked.user ?? "",
    aud: asked.service,
    exp: now + (config.validFor ?? config.expiresIn),
    nbf: now - 3600,
    iat: now,
    jti: randomUUID(),
    access,
  });
  const signature = sign("sha256", Buffer.from(`${head}.${claims}`), { key, dsaEncoding: "ieee-p1363" });
  return `${head}.${claims}.${signature.toString("base64url")}`;
}

function answer(
  config: TokenServerConfig,
  request: IncomingMessage,
  form: URLSearchParams,
): [Asked, unknown] {
  if (config.fail === 429) {
    const message = "you have reached your rate of tokens";
    throw new Refused(429, { errors: [{ code: "TOOMANYREQUESTS", message }] });
  }
  if (config.fail !== undefined)
    throw new Refused(config.fail, { errors: [{ code: "UNAVAILABLE", message: "" }] });
  const asked = authenticate(config, request, form);
  if (asked.service !== config.service) throw new Refused(400, { error: "invalid_request" });
  const access = granted(config, asked);
  const now = Math.floor(Date.now() / 1000);
  const token = issue(config, asked, access, now);
  const user = asked.user === undefined ? undefined : config.users[asked.user];
  const refresh =
    asked.offline && asked.user !== undefined && user !== undefined
      ? { refresh_token: identityOf(asked.user, user) }
      : {};
  const life = { expires_in: config.expiresIn, issued_at: new Date(now * 1000).toISOString() };
  const scope = access.map((a) => `${a.type}:${a.name}:${a.actions.join(",")}`).join(" ");
  // By POST it is OAuth2, by GET the older way.
  const oauth = { access_token: token, token_type: "Bearer", scope };
  return [asked, { ...(request.method === "POST" ? oauth : { token }), ...life, ...refresh }];
}

async function respond(file: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  // Read anew each time: a test changes what is allowed.
  const config: TokenServerConfig = JSON.parse(readFileSync(file, "utf8"));
  const log = (line: object): void => appendFileSync(config.log, `${JSON.stringify(line)}\n`);
  const send = (status: number, body: unknown): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  try {
    const [{ user, grant, scopes }, body] = answer(
      config,
      request,
      new URLSearchParams(Buffer.concat(chunks).toString()),
    );
    log({ status: 200, user, grant, scopes });
    send(200, body);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    log({ status: error.status });
    send(error.status, error.body);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2] ?? "";
  http.createServer((request, response) => void respond(file, request, response)).listen(0, "127.0.0.1");
}
