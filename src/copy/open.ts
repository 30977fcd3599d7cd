import type { Call } from "../base/index.ts";
import { type Reference, registryOf, repositoryOf, type Store } from "../oci/index.ts";
import { openRemote, type RemoteOptions } from "../remote/index.ts";
import { openArchive, openLayout } from "../store/index.ts";

export interface OpenOptions {
  /** Makes a folder or an archive that is not there yet: for a destination. */
  readonly create?: boolean | undefined;
  /** For registries. Pass one object for several stores, so that they share tokens and connections. */
  readonly remote?: RemoteOptions | undefined;
}

/**
 * The store that a reference points into; which content, `wantedOf` says.
 * @throws StoreError `not-found` or `store-invalid` for a folder or an archive
 */
export async function openStore(ref: Reference, options: OpenOptions, call: Call): Promise<Store> {
  switch (ref.scheme) {
    case "oci":
      return await openLayout(ref.path, { create: options.create ?? false }, call);
    case "remote":
      return openRemote({ registry: registryOf(ref), repository: repositoryOf(ref) }, options.remote);
    case "oci-archive":
      return await openArchive(ref.path, { create: options.create ?? false }, call);
  }
}
