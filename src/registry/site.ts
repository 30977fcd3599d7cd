import { readFile } from "node:fs/promises";
import type { HttpRequest, HttpResponse } from "../base/index.ts";
import { isRepository } from "../oci/index.ts";
import type { Backing } from "./backing.ts";
import { framed } from "./site-frame.ts";
import { html, type Markup } from "./site-html.ts";
import { listPage, type View } from "./site-list.ts";
import { repositoryPage } from "./site-repository.ts";

/** Path -> file. Nothing else is ever read. */
const ASSETS: ReadonlyMap<string, readonly [URL, string]> = new Map([
  ["/site.css", [new URL("./site.css", import.meta.url), "text/css; charset=utf-8"]],
  ["/site.mjs", [new URL("./site.mjs", import.meta.url), "text/javascript; charset=utf-8"]],
  ["/site-icon.svg", [new URL("./site-icon.svg", import.meta.url), "image/svg+xml"]],
]);

// The pages show what strangers wrote: nothing of it may ever run, or be fetched from elsewhere.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-cache",
} as const;

/** Whether a path is one of the pages for people, or belongs to them. */
export function isSite(path: string): boolean {
  return path === "/" || path.startsWith("/r/") || ASSETS.has(path);
}

/** The pages for people: `/` lists the repositories, `/r/NAME` shows one. Reads what is here, and asks no other registry. */
export async function site(request: HttpRequest, backing: Backing): Promise<HttpResponse> {
  const { path, query, signal } = request;
  const asset = ASSETS.get(path);
  if (asset !== undefined) {
    const [file, type] = asset;
    return { status: 200, headers: { ...HEADERS, "content-type": type }, body: await readFile(file) };
  }
  const host = request.headers.get("host") ?? "localhost";
  const view: View = { backing, query, host, now: new Date(), call: { signal } };
  if (path === "/") return page(200, await listPage(view));
  const name = path.slice("/r/".length);
  const repository = isRepository(name) ? await backing.find(name, view.call) : undefined;
  if (repository !== undefined) return page(200, await repositoryPage(repository, view));
  const lost = html`<div class="empty"><h1>There is no such repository</h1><p><a href="/">All repositories</a></p></div>`;
  return page(404, framed("Not found", host, lost));
}

function page(status: number, markup: Markup): HttpResponse {
  return {
    status,
    headers: { ...HEADERS, "content-type": "text/html; charset=utf-8" },
    body: Buffer.from(markup.text),
  };
}
