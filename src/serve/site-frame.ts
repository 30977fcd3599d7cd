import { html, type Markup } from "./site-html.ts";

/** A whole page around `main`. */
export function framed(title: string, host: string, main: Markup): Markup {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/site-icon.svg">
<link rel="stylesheet" href="/page-palette.css">
<link rel="stylesheet" href="/site.css">
<script type="module" src="/site.mjs"></script>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
<a class="home" href="/"><img src="/site-icon.svg" alt="" width="28" height="28"><span>${host}</span></a>
<span class="what">image volumes</span>
</header>
<main id="main">
${main}
</main>
<p id="told" role="status"></p>
</body>
</html>
`;
}

/** A line that can be copied, beside its button. @param what it is, for those who do not see where it stands */
export function copyable(text: string, what: string): Markup {
  return html`<div class="line">${shown(text, what)}${copyButton(text, what)}</div>`;
}

/** Lines that can be copied, under their heading. */
export function headed(heading: string, text: string, what: string): Markup {
  return html`<div class="lines"><div class="line"><h3>${heading}</h3>${copyButton(text, what)}</div>${shown(text, what)}</div>
`;
}

/** Long lines are scrolled: by keyboard too. */
function shown(text: string, what: string): Markup {
  return html`<pre tabindex="0" role="region" aria-label="${what}"><code>${text}</code></pre>`;
}

function copyButton(text: string, what: string): Markup {
  return html`<button type="button" class="copy" data-copy="${text}" aria-label="Copy ${what}" hidden>Copy</button>`;
}

/** `3 days ago`, with the time itself behind it. */
export function ago(time: Date, now: Date): Markup {
  const seconds = Math.max(0, (now.getTime() - time.getTime()) / 1000);
  return html`<time datetime="${time.toISOString()}" title="${time.toISOString()}">${words(seconds)}</time>`;
}

const STEPS: readonly (readonly [string, number])[] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

function words(seconds: number): string {
  for (const [unit, length] of STEPS) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

/** The part of a list that a page shows. */
export interface Part<T> {
  readonly items: readonly T[];
  readonly page: number;
  readonly pages: number;
  readonly total: number;
}

/** @param asked the page's number, from 1 on, as a reader wrote it */
export function partOf<T>(all: readonly T[], asked: string | null, size: number): Part<T> {
  const pages = Math.max(1, Math.ceil(all.length / size));
  const page = Math.min(pages, Math.max(1, /^\d{1,9}$/.test(asked ?? "") ? Number(asked) : 1));
  return { items: all.slice((page - 1) * size, page * size), page, pages, total: all.length };
}

/** The way to the other pages; nothing where there is one. @param query what stays the same */
export function pager({ page, pages }: Part<unknown>, query: Readonly<Record<string, string>>): Markup {
  if (pages === 1) return html``;
  const link = (to: number, text: string, rel: string): Markup =>
    to < 1 || to > pages
      ? html`<span class="off">${text}</span>`
      : html`<a href="?${new URLSearchParams({ ...query, page: String(to) }).toString()}" rel="${rel}">${text}</a>`;
  return html`<nav class="pager" aria-label="Pages">${link(page - 1, "Previous", "prev")}<span>Page ${page} of ${pages}</span>${link(page + 1, "Next", "next")}</nav>`;
}
