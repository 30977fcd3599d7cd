import { quietCall } from "../base/index.ts";
import type { Backing } from "../registry/index.ts";

/** What a registry holds. */
export interface Usage {
  readonly repositories: number;
  /** Blobs and manifests; one that several repositories share is one. */
  readonly blobs: number;
  readonly bytes: number;
}

/** How long a count holds, in ms: many thousand blobs take seconds to look at. */
const FRESH = 60_000;

/** Counts what a backing holds, at most once a minute and while others work. Who asks has the last count; only the first waits. */
export function usageOf(backing: Backing): () => Promise<Usage> {
  let last: Promise<Usage> | undefined;
  let due = 0;

  function recount(): Promise<Usage> {
    const next = count(backing);
    due = Number.POSITIVE_INFINITY;
    const settle = (usage: Promise<Usage> | undefined): void => {
      last = usage;
      due = performance.now() + FRESH;
    };
    next.then(
      () => settle(next),
      () => settle(last === next ? undefined : last),
    );
    return next;
  }
  return async () => {
    if (last === undefined) last = recount();
    else if (performance.now() >= due) recount();
    return await last;
  };
}

async function count(backing: Backing): Promise<Usage> {
  const call = quietCall();
  const files = new Set<string>();
  let repositories = 0;
  let bytes = 0;
  for await (const name of backing.names(call)) {
    repositories++;
    for await (const { file, size } of backing.contents?.(name).blobs(call) ?? []) {
      if (files.has(file)) continue;
      files.add(file);
      bytes += size;
    }
  }
  return { repositories, blobs: files.size, bytes };
}
