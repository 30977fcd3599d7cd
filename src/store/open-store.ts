import type { Call } from "../base/index.ts";
import { type Reference, registryOf, repositoryOf, type Store, StoreError } from "../oci/index.ts";
import { openLayout } from "./layout.ts";
import { openRemote } from "./remote.ts";
import type { RemoteOptions } from "./remote-options.ts";

export interface OpenOptions {
  readonly remote?: RemoteOptions;
  /** Make a layout folder that is not there yet. */
  readonly create?: boolean;
}

/**
 * The store that a reference lies in, by its scheme.
 *
 * @throws StoreError `not-found` or `store-invalid` for a folder that is no layout, `unsupported` for an archive
 */
export async function openStore(reference: Reference, options: OpenOptions, call: Call): Promise<Store> {
  switch (reference.scheme) {
    case "remote": {
      const place = { registry: registryOf(reference), repository: repositoryOf(reference) };
      return openRemote(place, options.remote);
    }
    case "oci":
      return openLayout(reference.path, { create: options.create ?? false }, call);
    case "oci-archive":
      throw new StoreError("unsupported", `archives cannot be opened yet: ${reference.path}`, {
        hint: "use a layout folder (oci:FOLDER), and tar it yourself",
      });
  }
}
