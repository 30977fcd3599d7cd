import { readFile } from "node:fs/promises";
import type { HttpResponse } from "./http.ts";

/** What the pages of all our servers share: colours and fonts, and the icon. */
export const PALETTE: URL = new URL("./page-palette.css", import.meta.url);
export const ICON: URL = new URL("./page-icon.svg", import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/**
 * The headers of everything that a browser gets. Pages show what strangers wrote: nothing of it may ever run, or be fetched from
 * elsewhere.
 *
 * @param allowed directives of the content security policy, for what a server's own pages do besides
 */
export function pageHeaders(allowed: readonly string[]): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...allowed,
  ];
  return {
    "content-security-policy": policy.join("; "),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
  };
}

/** A file that belongs to a page, by its name's ending. */
export async function pageFile(file: URL, headers: Readonly<Record<string, string>>): Promise<HttpResponse> {
  const ending = file.pathname.slice(file.pathname.lastIndexOf(".") + 1);
  const type = TYPES[ending] ?? "application/octet-stream";
  return { status: 200, headers: { ...headers, "content-type": type }, body: await readFile(file) };
}
