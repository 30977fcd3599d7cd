import { quietCall } from "../base/index.ts";
import type { Backing } from "./backing.ts";

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
  let due = Number.NEGATIVE_INFINITY;

  function recount(): void {
    due = Number.POSITIVE_INFINITY;
    const next = count(backing);
    last ??= next;
    const settled = (kept: Promise<Usage> | undefined): void => {
      last = kept;
      due = performance.now() + FRESH;
    };
    const before = last;
    next.then(
      () => settled(next),
      () => settled(before === next ? undefined : before),
    );
  }
  return async () => {
    if (performance.now() >= due) recount();
    return (await last) ?? (await count(backing));
  };
}

async function count(backing: Backing): Promise<Usage> {
  const call = quietCall();
  const files = new Set<string>();
  let repositories = 0;
  let bytes = 0;
  for await (const name of backing.names(call)) {
    repositories++;
    const contents = (await backing.find(name, call))?.contents;
    for await (const { file, size } of contents?.blobs(call) ?? []) {
      if (files.has(file)) continue;
      files.add(file);
      bytes += size;
    }
  }
  return { repositories, blobs: files.size, bytes };
}
