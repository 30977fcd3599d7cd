import type { HttpHandler, HttpRequest, HttpResponse } from "../base/index.ts";
import { API_VERSION, errorAnswer, failureAnswer, RegistryError } from "../registry/index.ts";
import type { Logins } from "./logins.ts";

export interface GuardOptions {
  readonly logins: Logins;
  /** What is read needs no password. */
  readonly anonymousPull?: boolean | undefined;
}

/** Lets through to `handler` who has a name and a password (RFC 7617), and says who that is. */
export function guarded(handler: HttpHandler, { logins, anonymousPull = false }: GuardOptions): HttpHandler {
  return async (request) => {
    const presented = credentialsOf(request);
    if (presented === undefined && anonymousPull && isPull(request)) return await handler(request);
    if (presented === undefined) return unauthorized("this registry asks for a name and a password");
    const { user, password } = presented;
    try {
      if (!(await logins.check(user, password))) return unauthorized("the name or the password is wrong");
    } catch (error) {
      const answer = errorAnswer(error);
      if (answer === undefined) throw error;
      return answer;
    }
    return { ...(await handler(request)), user };
  };
}

interface Presented {
  readonly user: string;
  readonly password: string;
}

/** Undefined where there are none. Some clients send an empty name and password when they have none. */
function credentialsOf(request: HttpRequest): Presented | undefined {
  const field = request.headers.get("authorization");
  if (field === undefined) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(field)?.[1] ?? "";
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  if (text === ":") return undefined;
  return colon < 0
    ? { user: "", password: "" }
    : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * `/v2/` itself asks for a password even so: it is where clients that will push learn that there is one to be sent, and none
 * that pulls without one needs it.
 */
function isPull({ method, path }: HttpRequest): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return !/^\/v2\/?$/.test(path) && path !== "/metrics";
}

function unauthorized(message: string): HttpResponse {
  const error = new RegistryError("unauthorized", message, {
    hint: "log in with imgvol login",
    headers: { ...API_VERSION, "www-authenticate": 'Basic realm="imgvol registry", charset="UTF-8"' },
  });
  return errorAnswer(error) ?? failureAnswer();
}
