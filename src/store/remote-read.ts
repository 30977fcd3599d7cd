import type { Call, Response } from "../base/index.ts";
import { type Descriptor, isManifestLike, StoreError } from "../oci/index.ts";
import { asUnreachable } from "./remote-errors.ts";
import { acceptManifests } from "./remote-manifests.ts";
import type { RemoteRepository } from "./remote-repository.ts";
import { Patience } from "./remote-retry.ts";

/** A manifest's or blob's bytes from an offset on; a cut connection is taken up again where it was cut. */
export async function* readRemote(
  at: RemoteRepository,
  d: Descriptor,
  from: number,
  call: Call,
): AsyncIterable<Uint8Array> {
  const patience = new Patience(at.host.options.retry);
  // Nothing is left, but whether the content is there is still to be told.
  let offset = d.size > 0 ? Math.min(from, d.size - 1) : 0;
  let skip = from - offset;
  for (;;) {
    const response = await openAt(at, d, offset, call);
    try {
      skip += response.status === 206 ? 0 : offset;
      for await (const chunk of response.body) {
        const wanted = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - wanted.length;
        if (wanted.length === 0) continue;
        patience.progressed();
        offset += wanted.length;
        yield wanted;
      }
      return;
    } catch (error) {
      await patience.afterFailure(error, call).catch((last: unknown) => {
        throw asUnreachable(last, at.host.registry);
      });
      skip = Math.max(from - offset, 0);
    }
  }
}

async function openAt(at: RemoteRepository, d: Descriptor, offset: number, call: Call): Promise<Response> {
  const manifest = isManifestLike(d.mediaType);
  const headers = {
    ...(manifest ? acceptManifests : {}),
    ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
  };
  const path = `${manifest ? "manifests" : "blobs"}/${d.digest}`;
  const response = await at.ask("GET", path, [200, 206], call, { headers });
  const range = response.headers.get("content-range");
  if (response.status === 206 && !range?.startsWith(`bytes ${offset}-`)) {
    for await (const _ of response.body) break;
    throw new StoreError("registry-error", `${at.origin}: ${d.digest}: asked from ${offset}, got ${range}`);
  }
  return response;
}
