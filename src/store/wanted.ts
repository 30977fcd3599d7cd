import { type Call, ImgvolError, isAbort } from "../base/index.ts";
import { type Descriptor, type Reference, type Store, wantedOf } from "../oci/index.ts";
import { readManifest } from "./read-manifest.ts";

/** Of a layout with more roots nobody takes one for granted: they are not read. */
const ROOTS = 100;

/**
 * What to ask a store for. A layout or an archive that a reference names without tag and digest is asked for its only image,
 * whatever that is called: other tools write such ones. What refers to an image, its signature say, is listed beside it, and
 * is none. Everywhere else no tag means `latest`.
 */
export async function wantedIn(reference: Reference, store: Store, call: Call): Promise<string> {
  const wanted = wantedOf(reference);
  const { roots } = store.can;
  if (roots === undefined || reference.tag !== undefined || reference.digest !== undefined) return wanted;
  const listed: Descriptor[] = [];
  for await (const root of roots.list(call)) {
    if (listed.push(root) > ROOTS) return wanted;
  }
  if (listed.length < 2) return listed[0]?.digest ?? wanted;
  let only: string | undefined;
  for (const root of listed) {
    if (await isReferrer(store, root, call)) continue;
    if (only !== undefined) return wanted;
    only = root.digest;
  }
  return only ?? wanted;
}

async function isReferrer(store: Store, d: Descriptor, call: Call): Promise<boolean> {
  try {
    return (await readManifest(store, d, call)).view.subject !== undefined;
  } catch (error) {
    // What cannot be read may be an image: then there is not one only.
    if (error instanceof ImgvolError && !isAbort(error) && !call.signal.aborted) return false;
    throw error;
  }
}
