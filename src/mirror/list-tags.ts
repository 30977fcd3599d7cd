import { type Call, messageOf } from "../base/index.ts";
import { type Store, StoreError } from "../oci/index.ts";
import type { Kept } from "./kept.ts";
import type { TagLists } from "./tag-lists.ts";
import type { MirrorTags } from "./tags.ts";
import { explained, isOutOfReach } from "./upstream.ts";

/** A mirrored repository, as far as listing its tags goes. */
interface Listed {
  readonly name: string;
  readonly upstream: Store;
  readonly kept: Kept;
  readonly lists: TagLists;
  readonly tags: MirrorTags;
  readonly lifetime: Call;
}

/** The upstream's tags; where it cannot be asked those that it had, or at least those that are here. */
export async function* listTags(listed: Listed, call: Call): AsyncIterable<string> {
  const { name, upstream, kept, lists, tags, lifetime } = listed;
  const found: string[] = [];
  try {
    for await (const tag of upstream.can.tags?.list(call) ?? []) found.push(tag);
  } catch (cause) {
    const error = explained(cause, name, lifetime);
    if (error instanceof StoreError && error.code === "not-found") lists.forget(name);
    if (!isOutOfReach(error)) throw error;
    const what = `the list of tags of ${name}`;
    const before = lists.get(name);
    if (before !== undefined) {
      tags.tellStale(what, messageOf(error));
      yield* before;
      return;
    }
    const local = await kept.repository();
    if (local === undefined) throw error;
    tags.tellPartial(what, messageOf(error));
    yield* local.store.can.tags?.list(call) ?? [];
    return;
  }
  remember(found, listed);
  yield* found;
}

function remember(tags: readonly string[], { name, lists, lifetime }: Listed): void {
  try {
    lists.set(name, tags);
  } catch (error) {
    // A full disk is no reason to keep them from who asked.
    lifetime.progress?.say(`the tags of ${name} cannot be kept: ${messageOf(error)}`);
  }
}
