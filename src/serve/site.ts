import { type HttpRequest, type HttpResponse, ICON, PALETTE, pageFile, pageHeaders } from "../base/index.ts";
import { isRepository } from "../oci/index.ts";
import type { Backing } from "../registry/index.ts";
import { framed } from "./site-frame.ts";
import { html, type Markup } from "./site-html.ts";
import { listPage, type View } from "./site-list.ts";
import { repositoryPage } from "./site-repository.ts";

/** Path -> file. Nothing else is ever read. */
const ASSETS: ReadonlyMap<string, URL> = new Map([
  ["/page-palette.css", PALETTE],
  ["/site.css", new URL("./site.css", import.meta.url)],
  ["/site.mjs", new URL("./site.mjs", import.meta.url)],
  ["/site-icon.svg", ICON],
]);

const HEADERS = pageHeaders(["form-action 'self'"]);

/** Whether a path is one of the pages for people, or belongs to them. */
export function isSite(path: string): boolean {
  return path === "/" || path.startsWith("/r/") || ASSETS.has(path);
}

/** The pages for people: `/` lists the repositories, `/r/NAME` shows one. Reads what is here, and asks no other registry. */
export async function site(request: HttpRequest, backing: Backing): Promise<HttpResponse> {
  const { path, query, signal } = request;
  const asset = ASSETS.get(path);
  if (asset !== undefined) return await pageFile(asset, HEADERS);
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
