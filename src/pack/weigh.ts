import { type Descriptor, digester, type Store, StoreError } from "../oci/index.ts";

/** A store that keeps nothing: it only finds out what content would be called. For dry runs. */
export function weighingStore(origin: string): Store {
  const nothing = (wanted: string): StoreError => new StoreError("not-found", `a dry run has no ${wanted}`);
  return {
    origin,
    can: {},
    resolve: async (wanted) => {
      throw nothing(wanted);
    },
    has: async () => false,
    // biome-ignore lint/correctness/useYield: there is never anything to yield
    async *read(d) {
      throw nothing(d.digest);
    },
    async put() {},
    async ingest(mediaType, source, call): Promise<Descriptor> {
      const hash = digester();
      let size = 0;
      for await (const chunk of source.open(0, call)) {
        hash.update(chunk);
        size += chunk.length;
      }
      return { mediaType, digest: hash.digest(), size };
    },
    async tag() {},
    async [Symbol.asyncDispose]() {},
  };
}
