import { setTimeout as sleep } from "node:timers/promises";
import { Refusal } from "../auth/index.ts";
import { type Call, discard, Turns } from "../base/index.ts";
import {
  canonicalJson,
  type Descriptor,
  type Digest,
  digestOf,
  fallbackTag,
  MediaType,
  StoreError,
} from "../oci/index.ts";
import { acceptManifests, putManifest } from "./manifests.ts";
import { listIn, readTagged } from "./referrers.ts";
import type { RemoteRepository } from "./repository.ts";

/** How often the list is written again because another client wrote it at the same time. */
const ATTEMPTS = 10;

type Item = { readonly [key: string]: unknown; readonly digest: Digest };
type List = readonly Item[];
/** The same list where nothing is to be changed; `gone` is what the registry does not have any more. */
type Change = (list: List, gone: ReadonlySet<Digest>) => List;

/**
 * Lists `all` among the referrers of `subject` where the registry does not do that itself: in the index under the fallback tag
 * (distribution-spec, "Pushing Manifests with Subject").
 * @throws StoreError `registry-error` where other clients keep writing the list
 */
export async function addToFallback(
  at: RemoteRepository,
  subject: Digest,
  all: readonly Descriptor[],
  call: Call,
): Promise<void> {
  await editFallback(
    at,
    subject,
    (list, gone) => {
      const missing = all.filter(
        (d) => !gone.has(d.digest) && !list.some((item) => item.digest === d.digest),
      );
      return missing.length === 0 ? list : [...list, ...missing.map((d) => ({ ...d }))];
    },
    call,
  );
}

/** Takes a manifest that was deleted from the list; an empty list stays, as a sign that there was one. */
export async function removeFromFallback(
  at: RemoteRepository,
  subject: Digest,
  digest: Digest,
  call: Call,
): Promise<void> {
  await editFallback(
    at,
    subject,
    (list) => {
      const left = list.filter((item) => item.digest !== digest);
      return left.length === list.length ? list : left;
    },
    call,
  );
}

/** One edit at a time of one list in this process: a copy sends several referrers side by side. */
const running = new Map<string, Turns>();

async function editFallback(
  at: RemoteRepository,
  subject: Digest,
  change: Change,
  call: Call,
): Promise<void> {
  const key = `${at.origin} ${subject}`;
  const turns = running.get(key) ?? new Turns();
  running.set(key, turns);
  try {
    await turns.take(call, () => edit(at, subject, change, call));
  } finally {
    if (turns.idle) running.delete(key);
  }
}

/**
 * A registry has no lock: what was written is read again, until it is what was meant. Not at once: whoever read the list before
 * it was written, and writes theirs over it, needs about as long as we did.
 */
async function edit(at: RemoteRepository, subject: Digest, change: Change, call: Call): Promise<void> {
  let confirmed = false;
  const gone = new Set<Digest>();
  for (let attempt = 0; ; attempt++) {
    call.signal.throwIfAborted();
    const begun = performance.now();
    const index = (await readTagged(at, subject, call)) ?? { schemaVersion: 2, mediaType: MediaType.index };
    const now = listIn(at, index);
    const next = change(now, gone);
    if (next === now && (confirmed || attempt < 2)) return;
    // Where another client is at work, being right once is not enough.
    confirmed = next === now;
    if (!confirmed && attempt >= ATTEMPTS) {
      throw new StoreError(
        "registry-error",
        `${at.origin}: other clients keep changing the referrers of ${subject}`,
        { hint: "try again when they are done" },
      );
    }
    if (!confirmed) await write(at, subject, index, next, gone, call);
    // Two that collided should not come back together.
    const wait = (performance.now() - begun) * (1 + attempt * Math.random());
    await sleep(Math.min(wait, 5_000), undefined, { signal: call.signal });
  }
}

async function write(
  at: RemoteRepository,
  subject: Digest,
  index: { readonly [key: string]: unknown },
  list: List,
  gone: Set<Digest>,
  call: Call,
): Promise<void> {
  const put = async (manifests: List): Promise<void> => {
    const bytes = canonicalJson({ ...index, manifests });
    const d = { mediaType: MediaType.index, digest: digestOf(bytes), size: bytes.length };
    await putManifest(at, fallbackTag(subject), d, bytes, call);
  };
  try {
    await put(list);
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500 || error.status === 401) throw error;
    // A client that deleted a referrer and left it in the list: registries refuse an index of what they do not have.
    const before = gone.size;
    for (const { digest } of list) if (!(await isThere(at, digest, call))) gone.add(digest);
    if (gone.size === before) throw error;
    await put(list.filter((item) => !gone.has(item.digest)));
  }
}

async function isThere(at: RemoteRepository, digest: Digest, call: Call): Promise<boolean> {
  const head = await at.ask("HEAD", `manifests/${digest}`, [200, 404], call, { headers: acceptManifests });
  await discard(head);
  return head.status === 200;
}
