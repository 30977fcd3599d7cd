import type { Call } from "../base/index.ts";
import { type Reference, type Store, wantedOf } from "../oci/index.ts";

/**
 * What to ask a store for. A layout or an archive that a reference names without tag and digest is asked for its only image,
 * whatever that is called: other tools write such ones. Everywhere else no tag means `latest`.
 */
export async function wantedIn(reference: Reference, store: Store, call: Call): Promise<string> {
  const wanted = wantedOf(reference);
  const { roots } = store.can;
  if (roots === undefined || reference.tag !== undefined || reference.digest !== undefined) return wanted;
  let only: string | undefined;
  for await (const { digest } of roots.list(call)) {
    if (only !== undefined) return wanted;
    only = digest;
  }
  return only ?? wanted;
}
