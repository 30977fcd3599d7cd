import type { Call } from "../base/index.ts";
import type { Repository } from "../registry/index.ts";
import { copyable, framed, headed, pager, partOf } from "./site-frame.ts";
import { html, type Markup } from "./site-html.ts";
import { linesFor } from "./site-lines.ts";
import { facts, type View } from "./site-list.ts";
import { type Summary, summarize } from "./site-summary.ts";
import { newestFirst, tagsOf } from "./site-tags.ts";

const TAGS = 20;

/** The page of one repository: its tags, with what leads to each. */
export async function repositoryPage(repository: Repository, view: View): Promise<Markup> {
  const { host, query, now, call } = view;
  const part = partOf(newestFirst(await tagsOf(repository, call)), query.get("page"), TAGS);
  const cards: Markup[] = [];
  for (const named of byDigest(await summaries(repository, part.items, call))) {
    cards.push(card(named, repository.name, host, now, cards.length === 0));
  }
  return framed(
    `${repository.name} — ${host}`,
    host,
    html`<nav class="crumbs" aria-label="Where you are"><a href="/">All repositories</a></nav>
<h1 class="name">${repository.name}</h1>
<p class="sub">${part.total === 1 ? "1 tag" : `${part.total} tags`}</p>
${cards.length === 0 ? html`<p class="none">What is here has no tag: it can be fetched by its digest.</p>` : html`<ul class="cards">${cards}</ul>`}
${pager(part, {})}`,
  );
}

type Named = readonly [Summary | string, ...(Summary | string)[]];

/** Of a tag that cannot be read, its name alone. */
async function summaries(
  repository: Repository,
  tags: readonly string[],
  call: Call,
): Promise<readonly (Summary | string)[]> {
  const all: (Summary | string)[] = [];
  for (const tag of tags) all.push((await summarize(repository, tag, call)) ?? tag);
  return all;
}

/** Tags of one digest are one thing to look at. */
function byDigest(all: readonly (Summary | string)[]): readonly Named[] {
  const groups = new Map<string, [Summary | string, ...(Summary | string)[]]>();
  for (const each of all) {
    const key = typeof each === "string" ? `/${each}` : each.digest;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

function card([first, ...others]: Named, name: string, host: string, now: Date, open: boolean): Markup {
  if (typeof first === "string") {
    return html`<li class="card"><h2>${first}</h2><p class="facts"><span class="missing">cannot be read</span></p></li>
`;
  }
  const { tag, digest, kind } = first;
  const { pull, run, pod } = linesFor(host, name, tag, digest);
  const also = others.map((other) => html`<li>${typeof other === "string" ? other : other.tag}</li>`);
  const mounts =
    kind === "artifact"
      ? undefined
      : html`${headed("Mount it in a pod", pod, `the pod's lines for ${tag}`)}
${headed("Try it on this machine", run, `the line that runs with ${tag}`)}`;
  return html`<li class="card"><div class="title"><h2>${tag}</h2>${also.length === 0 ? undefined : html`<ul class="tags" aria-label="Also tagged">${also}</ul>`}</div>
<p class="facts">${facts(first, now)}</p>
<div class="digest">${copyable(digest, `the digest of ${tag}`)}</div>
<details${open ? html` open` : undefined}><summary>How to use it<span class="unseen">: ${tag}</span></summary>
${mounts}${headed("Fetch it", pull, `the line that fetches ${tag}`)}</details></li>
`;
}
