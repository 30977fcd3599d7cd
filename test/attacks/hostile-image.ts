import { gzipSync, zstdCompressSync } from "node:zlib";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, digestOf, hostPlatform, MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { putImage, type Raw, tarOf } from "../volume/images.ts";

/** Numbers below a bound, bytes and choices that a seed decides. */
export interface Chance {
  below(bound: number): number;
  of<T>(list: readonly T[]): T;
}

export function chanceFrom(next: () => number): Chance {
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    below,
    of(list) {
      const found = list[below(list.length)];
      if (found === undefined) throw new Error("there is nothing to choose from");
      return found;
    },
  };
}

/** An image in a store under the tag `v`, and how to make the same without its damage, where there is such a thing. */
export interface Hostile {
  readonly what: string;
  readonly store: Store;
  readonly unbroken?: Store;
}

/** Names, links and devices that lead, or would like to, to `outside`; beside plain ones that give them something to work with. */
function hostileEntries(c: Chance, outside: string): Raw[] {
  const up = `${"../".repeat(1 + c.below(6))}outside`;
  const place = (): string =>
    c.of([
      ...[
        "a",
        "b",
        "a/b",
        "l",
        "l/target",
        "l/sub/inner",
        "h",
        "d/",
        "./d",
        "d/../l",
        ".wh.a",
        "a/.wh..wh..opq",
      ],
      ...[
        "",
        ".",
        "/",
        "..",
        `${up}/new`,
        `${outside}/new`,
        ".wh..",
        ".wh.",
        "a//b",
        "\u0001",
        "x".repeat(99),
      ],
    ]);
  return Array.from({ length: 1 + c.below(8) }, () => ({
    path: place(),
    type: c.of(["0", "0", "0", "1", "2", "2", "3", "4", "5", "5", "6"] as const),
    mode: c.of([0o644, 0o755, 0o4755, 0o2777, 0, 0o7777, 0o777777]),
    uid: c.of([0, 1000, 2 ** 21 - 1]),
    target: c.of([
      "",
      "a",
      up,
      outside,
      `${outside}/target`,
      `${up}/sub`,
      "l",
      ".",
      "..",
      "/",
      "/etc/passwd",
      "loop",
    ]),
    body: "b".repeat(c.of([0, 1, 511, 512, 513, 5000])),
    ...(c.below(8) === 0 ? { size: c.of([1, 511, 1e6, 8 ** 11 - 1]) } : {}),
  }));
}

const plain: readonly Raw[] = [
  { path: "d/", type: "5" },
  { path: "d/text", body: "some text ".repeat(400) },
  { path: "run", mode: 0o755, body: "#!/bin/sh\n" },
  { path: "link", type: "2", target: "d/text" },
  { path: "hard", type: "1", target: "d/text" },
];

/** Bytes flipped, cut, put in, said twice or put behind. */
export function damaged(bytes: Buffer, c: Chance): Buffer {
  const at = c.below(bytes.length);
  switch (c.below(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), noise(c, 1 + c.below(600)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(c.below(bytes.length))]);
    case 3:
      return Buffer.concat([bytes, noise(c, 1 + c.below(2000))]);
    default: {
      const flipped = Buffer.from(bytes);
      for (let i = 0; i <= c.below(4); i++) flipped[c.below(bytes.length)] = c.below(256);
      return flipped;
    }
  }
}

const noise = (c: Chance, length: number): Buffer => Buffer.from(Array.from({ length }, () => c.below(256)));

/** One field of one header changed to something absurd, its checksum mended: the reader gets to see it. */
function mended(tar: Buffer, c: Chance): Buffer {
  const out = Buffer.from(tar);
  const headers: number[] = [];
  for (let at = 0; at < out.length; at += 512)
    if (out.toString("latin1", at + 257, at + 262) === "ustar") headers.push(at);
  const at = c.of(headers);
  const [from, width] = c.of([
    ...([
      [0, 100],
      [100, 8],
      [108, 8],
      [116, 8],
      [124, 12],
      [136, 12],
      [156, 1],
      [157, 100],
      [257, 8],
    ] as const),
    ...([
      [265, 32],
      [329, 8],
      [345, 155],
    ] as const),
  ]);
  const field = c.of([
    Buffer.alloc(width, 0xff),
    Buffer.alloc(width, 0x20),
    Buffer.alloc(width, "7"),
    Buffer.alloc(width, "-"),
    Buffer.alloc(width, "../"),
    noise(c, width),
    Buffer.from("xgLKSVMDNA2155".charAt(c.below(14))),
  ]);
  field.copy(out, at + from, 0, width);
  out.fill(0x20, at + 148, at + 156);
  const sum = out.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  return out;
}

const compressions: readonly ((tar: Buffer) => Buffer)[] = [gzipSync, zstdCompressSync, (tar) => tar];

/** An image whose layer is hostile, or damaged before or after its compression. */
export async function hostileArchive(c: Chance, outside: string): Promise<Hostile> {
  const compress = c.of(compressions);
  const entries = c.below(2) === 0 ? plain : hostileEntries(c, outside);
  const tar = tarOf(entries);
  const kind = c.of(["entries", "tar", "header", "blob", "diff_id"]);
  const layer = kind === "tar" ? damaged(tar, c) : kind === "header" ? mended(tar, c) : tar;
  const store = memoryStore();
  await putImage(store, "v", [layer], {
    compress: kind === "blob" ? (bytes) => damaged(compress(bytes), c) : compress,
    ...(kind === "diff_id" ? { diffIds: [digestOf(noise(c, 8))] } : {}),
  });
  const what = `${kind} of ${entries === plain ? "a plain layer" : JSON.stringify(entries)}`;
  // Bytes behind the end, or at the front, of a tar in no compression are the tar's own.
  if (kind !== "blob" || compress === compressions[2]) return { what, store };
  const unbroken = memoryStore();
  await putImage(unbroken, "v", [layer], { compress });
  return { what, store, unbroken };
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Places in a JSON value where something can be changed. */
function places(value: Json): (readonly [holder: { [name: string]: Json }, name: string])[] {
  if (value === null || typeof value !== "object") return [];
  // An array is an object with numbers for names, as far as changing it goes.
  const holder = value as { [name: string]: Json };
  return Object.keys(value).flatMap((name) => [[holder, name] as const, ...places(holder[name] ?? null)]);
}

function absurd(c: Chance): Json {
  return c.of<Json>([
    ...[null, true, -1, 0, 0.5, 1e308, 2 ** 53, "", "a", "../../outside", "\u0000", "x".repeat(70_000)],
    ...[[], {}, [null], [[]], { digest: "sha256:" }, `sha256:${"0".repeat(64)}`, `sha256:${"g".repeat(64)}`],
    ...[
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      "application/json",
      "text/html",
      MediaType.index,
      MediaType.manifest,
    ],
    ...[MediaType.config, MediaType.layerGzip, MediaType.layerTar, "linux", "windows", "__proto__"],
  ]);
}

/** A plain image behind an index; one of its index, manifest and config changed, named by a digest that is right. */
export async function hostileManifest(c: Chance): Promise<Hostile> {
  const target = c.of(["index", "manifest", "config"] as const);
  const how = c.of(["changed", "changed", "changed", "removed", "bytes", "nested"]);
  const change = (name: string, value: Json): Buffer => {
    if (name !== target) return Buffer.from(JSON.stringify(value));
    if (how === "bytes") return damaged(Buffer.from(JSON.stringify(value)), c);
    const [holder, key] = c.of(places(value));
    if (how === "removed") delete holder[key];
    else if (how === "changed") holder[key] = absurd(c);
    else holder[key] = "NESTED";
    const text = JSON.stringify(value);
    const deep = 10 ** (1 + c.below(4));
    return Buffer.from(
      how === "nested" ? text.replace('"NESTED"', `${"[".repeat(deep)}${"]".repeat(deep)}`) : text,
    );
  };
  const store = await indexed(change);
  return {
    what: `${target} ${how}`,
    store,
    unbroken: await indexed((_name, value) => Buffer.from(JSON.stringify(value))),
  };
}

/** A plain image behind an index, its JSON made by `bytesOf`. */
export async function indexed(bytesOf: (name: string, value: Json) => Buffer): Promise<Store> {
  const call = quietCall();
  const store = memoryStore();
  const add = (name: string, mediaType: string, value: Json): Promise<Descriptor> =>
    store.ingest(mediaType, fromBytes(bytesOf(name, value)), call);
  const named = ({ mediaType, digest, size }: Descriptor): { [name: string]: Json } => ({
    mediaType,
    digest,
    size,
  });
  const tar = tarOf(plain);
  const layer = await store.ingest(MediaType.layerGzip, fromBytes(gzipSync(tar)), call);
  const { os, architecture } = hostPlatform();
  const config = await add("config", MediaType.config, {
    os,
    architecture,
    config: {},
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
  });
  const manifest = await add("manifest", MediaType.manifest, {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: named(config),
    layers: [named(layer)],
    annotations: { "org.example": "kept" },
  });
  const index = await add("index", MediaType.index, {
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: [{ ...named(manifest), platform: { os, architecture } }],
  });
  await store.tag("v", index, call);
  return store;
}
