import { type Call, formatBytes, isAbort } from "../base/index.ts";
import type { Backing } from "../registry/index.ts";
import { ago, copyable, framed, pager, partOf } from "./site-frame.ts";
import { html, type Markup } from "./site-html.ts";
import { type Summary, summarize } from "./site-summary.ts";
import { newestFirst, tagsOf } from "./site-tags.ts";

const REPOSITORIES = 50;
const TAGS = 4;

/** What a page is made from. */
export interface View {
  readonly backing: Backing;
  readonly query: URLSearchParams;
  /** As the reader reached this registry. */
  readonly host: string;
  readonly now: Date;
  readonly call: Call;
}

/** The page of all repositories, those whose name has `?q=` in it, `?page=` by page. */
export async function listPage(view: View): Promise<Markup> {
  const wanted = (view.query.get("q") ?? "").slice(0, 200);
  const names: string[] = [];
  let total = 0;
  for await (const name of view.backing.names(view.call)) {
    total++;
    if (name.includes(wanted.toLowerCase())) names.push(name);
  }
  if (total === 0) return framed(view.host, view.host, emptyRegistry(view.host));
  const part = partOf(names, view.query.get("page"), REPOSITORIES);
  const rows: Markup[] = [];
  for (const name of part.items) rows.push(await row(name, view));
  const count = wanted === "" ? `${total}` : `${part.total} of ${total}`;
  return framed(
    view.host,
    view.host,
    html`<div class="head"><h1>Repositories <span class="count">${count}</span></h1>
<form role="search" action="/"><label class="unseen" for="q">Find a repository</label><input id="q" type="search" name="q" value="${wanted}" placeholder="Find a repository" autocomplete="off" spellcheck="false"><button>Find</button></form></div>
${rows.length === 0 ? html`<p class="none">No repository has “${wanted}” in its name. <a href="/">All repositories</a></p>` : html`<ul class="repositories">${rows}</ul>`}
${pager(part, wanted === "" ? {} : { q: wanted })}`,
  );
}

async function row(name: string, { backing, now, call }: View): Promise<Markup> {
  let tags: readonly string[];
  let summary: Summary | undefined;
  try {
    const repository = await backing.find(name, call);
    tags = repository === undefined ? [] : newestFirst(await tagsOf(repository, call));
    const [newest] = tags;
    if (repository !== undefined && newest !== undefined) summary = await summarize(repository, newest, call);
  } catch (error) {
    if (isAbort(error)) throw error;
    return entry(name, html`<li class="more">cannot be read</li>`);
  }
  const chips = tags.slice(0, TAGS).map((tag) => html`<li>${tag}</li>`);
  if (tags.length > TAGS) chips.push(html`<li class="more">+${tags.length - TAGS}</li>`);
  const shown = tags.length === 0 ? html`<li class="more">no tags</li>` : html`${chips}`;
  return entry(name, shown, summary === undefined ? undefined : facts(summary, now));
}

function entry(name: string, tags: Markup, about?: Markup): Markup {
  return html`<li><a href="/r/${name}"><span class="name">${name}</span>
<ul class="tags" aria-label="Tags">${tags}</ul>
<span class="facts">${about}</span></a></li>
`;
}

/** How large, for which platforms, how old. */
export function facts({ size, platforms, created, missing, kind, type }: Summary, now: Date): Markup {
  const parts = [html`<span>${formatBytes(size)}</span>`];
  if (platforms.length > 0) parts.push(html`<span>${platforms.join(", ")}</span>`);
  if (kind === "artifact") parts.push(html`<span>${type}</span>`);
  if (missing > 0) parts.push(html`<span class="missing">${missing} not here</span>`);
  if (created !== undefined) parts.push(html`<span>${ago(created, now)}</span>`);
  return html`${parts}`;
}

function emptyRegistry(host: string): Markup {
  return html`<div class="empty"><h1>Nothing here yet</h1>
<p>Pack a folder into a volume image, straight into this registry:</p>
${copyable(`imgvol pack ./agent -t ${host}/agent:1`, "the line that packs")}</div>`;
}
