import { createCipheriv } from "node:crypto";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { canonicalJson, type Descriptor, digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";

const call = quietCall();

/** How many layers are shared by a few images each: now one needs such a layer, and now none. */
const CONTESTED = 60;
/** How many are in fashion at one time; those before them go out of use, and are garbage in the end. */
const HOT = 8;
/** After so many images, the next layer comes into fashion. */
const PACE = 25;

/** One image, as it lies in the source. */
export interface Image {
  /** What its tag names. */
  readonly root: Descriptor;
  /** All that must be there for it, children first; the root is the last. */
  readonly contents: readonly Descriptor[];
  /** A manifest whose subject is the image, with what it needs, or nothing. */
  readonly referrer: readonly Descriptor[];
}

/** Makes images that share layers, each with something of its own. */
export class Images {
  readonly source: Store = memoryStore("the source");
  readonly #random: () => number;
  readonly #layers = new Map<number, Promise<Descriptor>>();
  #made = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  async make(): Promise<Image> {
    const n = this.#made++;
    const own = await this.#layer(-1 - n, 1000 + Math.floor(this.#random() ** 4 * 200_000));
    const layers = [own];
    layers.push(await this.#shared(CONTESTED + Math.floor(n / PACE + this.#random() * HOT)));
    for (let i = 0; i < 2; i++) layers.push(await this.#shared(Math.floor(this.#random() * CONTESTED)));
    const contents: Descriptor[] = [...layers];
    const manifest = async (what: string): Promise<Descriptor> => {
      const config = await this.#put({ mediaType: MediaType.config, n, what });
      const made = await this.#put({
        schemaVersion: 2,
        mediaType: MediaType.manifest,
        config,
        layers,
      });
      contents.push(config, made);
      return made;
    };
    let root = await manifest("amd64");
    if (n % 4 === 0) {
      const manifests = [root, await manifest("arm64")];
      root = await this.#put({
        schemaVersion: 2,
        mediaType: MediaType.index,
        manifests,
      });
      contents.push(root);
    }
    return {
      root,
      contents,
      referrer: n % 6 === 0 ? await this.#referrer(root, n) : [],
    };
  }

  /** Takes what is the image's own out of the source; shared layers stay. */
  async forget({ contents, referrer }: Image): Promise<void> {
    const shared = new Set((await Promise.all(this.#layers.values())).map((d) => d.digest));
    for (const d of [...contents, ...referrer]) {
      if (!shared.has(d.digest)) await this.source.can.delete?.delete(d, call);
    }
  }

  async #referrer(subject: Descriptor, n: number): Promise<readonly Descriptor[]> {
    const layer = await this.#layer(-1_000_000 - n, 2000);
    const config = await this.#put({
      mediaType: "application/vnd.example.note",
      n,
    });
    const { mediaType, digest, size } = subject;
    const artifact = {
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config,
      layers: [layer],
      subject: { mediaType, digest, size },
    };
    return [layer, config, await this.#put(artifact)];
  }

  #shared(index: number): Promise<Descriptor> {
    const there = this.#layers.get(index);
    if (there !== undefined) return there;
    const made = this.#layer(index, 20_000 + Math.floor(this.#random() ** 3 * 1_500_000));
    this.#layers.set(index, made);
    return made;
  }

  #layer(seed: number, size: number): Promise<Descriptor> {
    const key = Buffer.alloc(16);
    key.writeInt32LE(seed);
    const bytes = createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
    return this.source.ingest(MediaType.layerTar, fromBytes(bytes), call);
  }

  async #put(value: { readonly mediaType: string; readonly [member: string]: unknown }): Promise<Descriptor> {
    const bytes = canonicalJson(value);
    const d = {
      mediaType: value.mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
    };
    await this.source.put(d, fromBytes(bytes), call);
    return d;
  }
}
