import { type Descriptor, type Digest, isRepository, StoreError } from "../oci/index.ts";
import type { Ask } from "./ask.ts";
import type { Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { findBlob, told } from "./find.ts";
import { within } from "./within.ts";

/**
 * Makes the repository have a blob of another one, of any where the client names none (distribution-spec, "Mounting a blob
 * from another repository"); false where nobody has it, and the client must send it.
 */
export async function mounted(ask: Ask, digest: Digest, from: string | null): Promise<boolean> {
  const { call } = ask;
  if (await hasAlready(ask, digest)) return true;
  for await (const name of sources(ask, digest, from)) {
    const source = await sourceAt(name, ask);
    const blob = source === undefined ? undefined : await findBlob(source, digest, call);
    if (source === undefined || blob === undefined) continue;
    if (await within(ask, (to) => link(to, source, blob, ask))) return true;
  }
  return false;
}

async function hasAlready({ backing, name, call }: Ask, digest: Digest): Promise<boolean> {
  try {
    const there = await backing.find(name, call);
    return there !== undefined && (await told(there, digest, call)) !== undefined;
  } catch (error) {
    // Taken away since it was found: it is made again.
    if (error instanceof RegistryError && error.code === "name-unknown") return false;
    throw error;
  }
}

function sources(
  { backing, call }: Ask,
  digest: Digest,
  from: string | null,
): AsyncIterable<string> | readonly string[] {
  if (from === null) return backing.names(call, digest);
  return isRepository(from) ? [from] : [];
}

/** Undefined where it is not there, or damaged: another may have the blob, or the client sends it. */
async function sourceAt(name: string, { backing, call }: Ask): Promise<Repository | undefined> {
  try {
    return await backing.find(name, call);
  } catch (error) {
    if (error instanceof StoreError && error.code === "store-invalid") return undefined;
    throw error;
  }
}

/** False where the source lost it meanwhile: its gate is not ours to pass, two mounts could wait for each other. */
async function link(
  to: Repository,
  from: Repository,
  { digest, size }: Descriptor,
  { backing, call }: Ask,
): Promise<boolean> {
  const linked = await to.gate.shared(async () => {
    to.recent.note(digest);
    return await backing.link(to, from, digest);
  });
  if (linked) return true;
  // A copy takes its time: outside the gate, where nobody waits for it.
  const blob: Descriptor = { mediaType: "application/octet-stream", digest, size };
  try {
    await to.store.put(blob, { size, open: (at, c) => from.store.read(blob, c, at) }, call);
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === "not-found") return false;
    throw error;
  }
}
