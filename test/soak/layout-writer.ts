// The process that layout-kill.ts kills: stores images in a layout or an archive for ever, saying each tag once it is there.
// Usage: node layout-writer.ts oci:DIR|oci-archive:FILE SEED
import { type ByteSource, fromBytes, quietCall } from "../../src/base/index.ts";
import { copy, openStore } from "../../src/copy/index.ts";
import { canonicalJson, type Descriptor, MediaType, parseReference } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";

const [place = "", seed = "0"] = process.argv.slice(2);
const call = quietCall();

/** Bytes that follow from `name`, in small pieces so that there are many moments to be killed at. */
function layer(name: string, pieces: number): ByteSource {
  return {
    async *open(offset) {
      for (let i = 0; i < pieces; i++) if (i * 65536 >= offset) yield Buffer.alloc(65536, `${name}-${i}`);
    },
  };
}

const store = await openStore(parseReference(place), { create: true }, call);
for (let n = 0; ; n++) {
  const name = `s${seed}-${n}`;
  const via = n % 2 === 0 ? store : memoryStore();
  const put = (value: { mediaType: string }): Promise<Descriptor> =>
    via.ingest(value.mediaType, fromBytes(canonicalJson(value)), call);
  const layers = await Promise.all([
    via.ingest(MediaType.layerTar, layer(name, 6), call),
    via.ingest(MediaType.layerTar, layer("shared", 2), call),
  ]);
  const config = await put({ mediaType: MediaType.config, ...{ name } });
  const manifest = await put({ mediaType: MediaType.manifest, ...{ schemaVersion: 2, config, layers } });
  if (via === store) await store.tag(name, manifest, call);
  else await copy(via, manifest.digest, store, name, {}, call);
  process.stdout.write(`${name}\n`);
  for (const moving of ["latest", `of-${seed}`]) await store.tag(moving, manifest, call);
  if (n % 5 === 4) await store.can.delete?.untag(`s${seed}-${n - 1}`, call);
}
