import type { ByteSource, Call } from "../base/index.ts";
import {
  type Descriptor,
  digester,
  isDigest,
  isManifestLike,
  isTag,
  OciError,
  type Store,
  StoreError,
  TAG_RULE,
} from "../oci/index.ts";
import type { Incoming, Medium } from "./medium.ts";

/**
 * A store over any medium. This is the one place of verification: whatever the medium does, no byte that belongs
 * to another digest or size enters a store, or leaves it through a full read, without an error.
 */
export function verified(medium: Medium): Store {
  const { origin } = medium;
  const store: Store = {
    origin,
    can: medium.can,
    async resolve(tagOrDigest, call) {
      call.signal.throwIfAborted();
      const d = checkDescriptor(await medium.resolve(tagOrDigest, call), origin);
      if (isDigest(tagOrDigest) && d.digest !== tagOrDigest) {
        throw mismatch(origin, tagOrDigest, d.digest, damagedHint(origin));
      }
      return d;
    },
    async has(d, call) {
      call.signal.throwIfAborted();
      return medium.has(checkDescriptor(d, origin), call);
    },
    read: (d, call, from = 0) => readVerified(medium, checkDescriptor(d, origin), from, call),
    async put(d, source, call, { replace = false } = {}) {
      call.signal.throwIfAborted();
      const content = incoming(d.mediaType, checkDescriptor(d, origin), source, origin);
      await medium.write({ ...content, replace }, call);
    },
    async ingest(mediaType, source, call) {
      call.signal.throwIfAborted();
      const content = incoming(mediaType, undefined, source, origin);
      await medium.write(content, call);
      return content.seal();
    },
    async tag(name, d, call) {
      call.signal.throwIfAborted();
      checkTag(name);
      if (!isManifestLike(d.mediaType)) {
        throw new OciError("media-type-unknown", `a tag names a manifest or an index, not ${d.mediaType}`);
      }
      await medium.tag(name, checkDescriptor(d, origin), call);
    },
    [Symbol.asyncDispose]: () => medium[Symbol.asyncDispose](),
  };
  media.set(store, medium);
  return store;
}

const media = new WeakMap<Store, Medium>();

/**
 * Bytes as the medium has them, for a reader that verifies them itself: a copy's destination does, so that a copied
 * byte is hashed once and not twice.
 */
export function readUnverified(
  store: Store,
  d: Descriptor,
  from: number,
  call: Call,
): AsyncIterable<Uint8Array> {
  return media.get(store)?.open(d, from, call) ?? store.read(d, call, from);
}

async function* readVerified(
  medium: Medium,
  d: Descriptor,
  from: number,
  call: Call,
): AsyncIterable<Uint8Array> {
  const { origin } = medium;
  const whence = (): string => {
    const mirror = medium.can.mirrors?.giver(d);
    return mirror === undefined ? origin : `${origin}, as ${mirror} gives it`;
  };
  if (!Number.isSafeInteger(from) || from < 0 || from > d.size) {
    throw new StoreError(
      "size-mismatch",
      `${origin}: cannot read ${d.digest} from ${from}: it has ${d.size} bytes`,
    );
  }
  const hash = from === 0 ? digester(d.digest) : undefined;
  let at = from;
  for await (const chunk of medium.open(d, from, call)) {
    call.signal.throwIfAborted();
    at += chunk.length;
    if (at > d.size) throw wrongSize(whence(), d, "more", damagedHint(origin));
    hash?.update(chunk);
    yield chunk;
  }
  if (at < d.size) throw wrongSize(whence(), d, `only ${at}`, damagedHint(origin));
  const found = hash?.digest();
  if (found !== undefined && found !== d.digest)
    throw mismatch(whence(), d.digest, found, damagedHint(origin));
}

/**
 * Wraps a source so that each byte is hashed exactly once, in order, however often the medium opens it again. Bytes
 * before the hashed position are passed on unhashed: a ByteSource yields the same bytes each time, and a medium that
 * replays (a registry) checks the whole digest on its side as well. Opening at 0 starts a new hash.
 */
function incoming(
  mediaType: string,
  expected: Descriptor | undefined,
  source: ByteSource,
  origin: string,
): Incoming {
  let hash = digester(expected?.digest);
  let hashed = 0;
  let opening = 0;
  let sealed: Descriptor | undefined;

  /** Knows what the content is once all of it was hashed; where that is not what was expected, throws. */
  function conclude(): Descriptor {
    const digest = hash.digest();
    if (expected !== undefined && digest !== expected.digest)
      throw mismatch(origin, expected.digest, digest, WRONG_AS_IT_COMES);
    return expected ?? { mediaType, digest, size: hashed };
  }

  async function* open(offset: number, call: Call): AsyncIterable<Uint8Array> {
    const mine = ++opening;
    if (offset === 0) {
      hash = digester(expected?.digest);
      hashed = 0;
      sealed = undefined;
    }
    // What was not hashed yet must be read, even where the medium wants only what comes after it.
    let at = Math.min(offset, hashed);
    for await (const chunk of source.open(at, call)) {
      call.signal.throwIfAborted();
      if (mine !== opening)
        throw new Error(`${origin}: an upload's source was opened again while it was read`);
      const end = at + chunk.length;
      if (expected !== undefined && end > expected.size)
        throw wrongSize(origin, expected, "more", WRONG_AS_IT_COMES);
      if (end > hashed) {
        hash.update(chunk.subarray(hashed - at));
        hashed = end;
      }
      if (hashed === expected?.size) sealed ??= conclude();
      if (end > offset) yield chunk.subarray(Math.max(offset - at, 0));
      at = end;
    }
    if (expected !== undefined && at < expected.size)
      throw wrongSize(origin, expected, `only ${at}`, WRONG_AS_IT_COMES);
    sealed ??= conclude();
  }

  return {
    mediaType,
    expected,
    replace: false,
    source: { ...(source.size === undefined ? {} : { size: source.size }), open },
    seal() {
      if (sealed !== undefined) return sealed;
      throw new StoreError("size-mismatch", `${origin}: the content was not read to its end`);
    },
  };
}

function checkDescriptor(d: Descriptor, origin: string): Descriptor {
  if (!isDigest(d.digest))
    throw new OciError("digest-invalid", `${origin}: not a digest: ${String(d.digest)}`);
  if (Number.isSafeInteger(d.size) && d.size >= 0) return d;
  throw new StoreError("size-mismatch", `${origin}: ${d.digest} has no valid size: ${String(d.size)}`);
}

function checkTag(name: string): void {
  if (isTag(name)) return;
  throw new OciError("reference-invalid", `not a tag: ${JSON.stringify(name)}`, {
    hint: TAG_RULE,
    wrongUse: true,
  });
}

function mismatch(where: string, wanted: string, found: string, hint: string): StoreError {
  return new StoreError("digest-mismatch", `${where}: the content is ${found}, not ${wanted}`, { hint });
}

function wrongSize(where: string, d: Descriptor, found: string, hint: string): StoreError {
  return new StoreError("size-mismatch", `${where}: ${d.digest} has ${found} bytes, not ${d.size}`, { hint });
}

const WRONG_AS_IT_COMES = "it was cut or changed on its way, or is damaged where it comes from; try again";

/** What to do about content that a store does not give as it was given to it. */
export function damagedHint(origin: string): string {
  return `it is damaged there, or on its way; if it is each time, \`imgvol copy --force GOOD ${origin}:TAG\` sends it again from where it is whole`;
}
