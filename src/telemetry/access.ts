import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { HttpHandler, HttpRequest, HttpResponse } from "../base/index.ts";

/** The way into a server by a token: printed in a URL, then kept in a cookie; programs send it as a bearer token. */
export interface Access {
  readonly token: string;
  /** Where the printed URL leads: `/login?t=TOKEN`. */
  readonly path: string;
  /** Lets through to `handler` who has the token, and answers `refused` to everyone else. */
  guard(handler: HttpHandler, refused: HttpHandler): HttpHandler;
}

/** Without `token` a new random one is made. */
export function tokenAccess(token: string = randomBytes(18).toString("base64url")): Access {
  return {
    token,
    path: `/login?t=${encodeURIComponent(token)}`,
    guard: (handler, refused) => async (request) => {
      const name = cookieName(request);
      if (request.path === "/login") {
        return same(request.query.get("t") ?? "", token) ? admitted(name, token) : refused(request);
      }
      return same(presented(request, name), token) ? handler(request) : refused(request);
    },
  };
}

/** All ports of a host share their cookies, so the port is part of the name. */
function cookieName(request: HttpRequest): string {
  const port = /:(\d+)$/.exec(request.headers.get("host") ?? "")?.[1] ?? "80";
  return `imgvol-dashboard-${port}`;
}

/**
 * Not a redirect: a strict cookie is not sent along one that began on another site, such as a chat that showed the URL.
 * A page of ours that leads on is our own site.
 */
function admitted(name: string, token: string): HttpResponse {
  return {
    status: 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "set-cookie": `${name}=${encodeURIComponent(token)}; Path=/; HttpOnly; SameSite=Strict`,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    },
    body: Buffer.from(
      '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>imgvol</title><a href="/">To the dashboard</a></html>\n',
    ),
  };
}

function presented(request: HttpRequest, name: string): string {
  const bearer = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  for (const pair of (request.headers.get("cookie") ?? "").split(/[;,] */)) {
    if (pair.startsWith(`${name}=`)) return decoded(pair.slice(name.length + 1));
  }
  return "";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** Compared by hash, so that neither content nor length shows in the time it takes. */
function same(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
