import {
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  ICON,
  PALETTE,
  pageFile,
  pageHeaders,
} from "../base/index.ts";

const FILES: readonly URL[] = [
  new URL("./page.css", import.meta.url),
  new URL("./page-lists.css", import.meta.url),
  new URL("./page-tree.css", import.meta.url),
  new URL("./page.mjs", import.meta.url),
  new URL("./page-api.mjs", import.meta.url),
  new URL("./page-elements.mjs", import.meta.url),
  new URL("./page-tree.mjs", import.meta.url),
  new URL("./page-words.mjs", import.meta.url),
];

/** Path -> file. Nothing else is ever read. */
const ASSETS: ReadonlyMap<string, URL> = new Map([
  ["/", new URL("./page.html", import.meta.url)],
  ["/page-palette.css", PALETTE],
  ["/icon.svg", ICON],
  ...FILES.map((file): [string, URL] => [file.pathname.slice(file.pathname.lastIndexOf("/")), file]),
]);

const HEADERS = pageHeaders(["connect-src 'self'", "form-action 'none'"]);

/** The page and what belongs to it; everything else goes to `api`. */
export function pageHandler(api: HttpHandler): HttpHandler {
  return async (request) => (await asset(request)) ?? api(request);
}

/** To those without the token: the way to get in, for a person or for a program. The page's looks are no secret. */
export const withoutToken: HttpHandler = async (request) => {
  if (["/page-palette.css", "/page.css", "/icon.svg"].includes(request.path)) {
    const found = await asset(request);
    if (found !== undefined) return found;
  }
  if (request.path.startsWith("/api/")) {
    const message = "the dashboard's token is missing or wrong";
    const hint = "send it as authorization: Bearer TOKEN, as in the URL that imgvol printed";
    return {
      status: 401,
      headers: { ...HEADERS, "content-type": "application/json", "www-authenticate": "Bearer" },
      body: Buffer.from(JSON.stringify({ error: { code: "unauthorized", message, hint } })),
    };
  }
  return {
    status: 401,
    headers: { ...HEADERS, "content-type": "text/html; charset=utf-8" },
    body: Buffer.from(LOCKED),
  };
};

const LOCKED = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>imgvol dashboard</title><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page-palette.css"><link rel="stylesheet" href="/page.css"></head>
<body class="locked"><main><img src="/icon.svg" alt="" width="40" height="40"><h1>This dashboard has a key</h1>
<p>Open the whole URL that <code>imgvol dashboard</code> printed in its terminal: it ends in <code>/login?t=…</code></p></main></body></html>
`;

async function asset(request: HttpRequest): Promise<HttpResponse | undefined> {
  const found = ASSETS.get(request.path);
  if (found === undefined) return undefined;
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, headers: { ...HEADERS, allow: "GET, HEAD" } };
  }
  return await pageFile(found, HEADERS);
}
