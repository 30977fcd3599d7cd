import { stat } from "node:fs/promises";
import { type Call, collect, errno, fromFile } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  isDigest,
  isObject,
  MediaType,
  parseDescriptor,
  StoreError,
} from "../oci/index.ts";

/** image-spec, annotations.md: the tag of an entry in a layout's index.json. */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** An index.json with a hundred thousand tags is about 25 MB. */
export const INDEX_LIMIT: number = 64 * 1024 * 1024;

type Json = { readonly [key: string]: unknown };

/**
 * A layout's index.json as it lies there. Edits keep what they do not concern: unknown members, other tools' entries and
 * annotations, the order, and the indentation.
 */
export interface LayoutIndex {
  readonly json: Json;
  readonly entries: readonly Json[];
  readonly indent: string;
}

export const EMPTY_INDEX: LayoutIndex = {
  json: { schemaVersion: 2, mediaType: MediaType.index, manifests: [] },
  entries: [],
  indent: "",
};

/** @throws StoreError `store-invalid` where the file is missing, or is no index */
export async function readIndex(path: string, call: Call): Promise<LayoutIndex> {
  return indexOf(await readJson(path, call, INDEX_LIMIT), path);
}

const DAMAGED =
  "it was cut or written over: restore it, or make the image anew in another place with `imgvol pack` or `imgvol copy`";

/** The index that lies at `path`, once it was read. @throws StoreError `store-invalid` where it is none */
export function indexOf({ json, indent }: { json: Json; indent: string }, path: string): LayoutIndex {
  const entries = json["manifests"];
  if (!Array.isArray(entries) || !entries.every(isObject)) {
    throw new StoreError("store-invalid", `${path} has no list of manifests`, { hint: DAMAGED });
  }
  return { json, entries, indent };
}

/** A JSON object in a file of a layout, and how it is indented. @throws StoreError `store-invalid` */
export async function readJson(
  path: string,
  call: Call,
  limit: number,
): Promise<{ json: Json; indent: string }> {
  let text: string;
  try {
    // Opening a named pipe would wait for ever.
    if (!(await stat(path)).isFile()) throw new StoreError("store-invalid", `${path} is not a file`);
    text = Buffer.from(await collect(fromFile(path).open(0, call), limit, path)).toString("utf8");
  } catch (cause) {
    if (errno(cause) !== "ENOENT" && errno(cause) !== "ENOTDIR") throw cause;
    throw new StoreError("store-invalid", `${path} is missing`, {
      hint: "an OCI image layout has the files oci-layout and index.json, and the folder blobs",
      cause,
    });
  }
  return parseJson(text, path);
}

/** @throws StoreError `store-invalid` where the text, which lies at `path`, is no JSON object */
export function parseJson(text: string, path: string): { json: Json; indent: string } {
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return { json, indent: /^\{\s*?\n([ \t]+)"/.exec(text)?.[1] ?? "" };
  } catch (cause) {
    throw new StoreError("store-invalid", `${path} is not JSON`, { hint: DAMAGED, cause });
  }
  throw new StoreError("store-invalid", `${path} is not a JSON object`, { hint: DAMAGED });
}

export function formatIndex(index: LayoutIndex): Uint8Array {
  const text = JSON.stringify({ ...index.json, manifests: index.entries }, undefined, index.indent);
  return Buffer.from(index.indent === "" ? text : `${text}\n`);
}

export function nameOf(entry: Json): string | undefined {
  const annotations = entry["annotations"];
  const name = isObject(annotations) ? annotations[REF_NAME] : undefined;
  return typeof name === "string" ? name : undefined;
}

/** What a tag or digest names in the index, or undefined. @throws StoreError `store-invalid` where a tag names two things */
export function find(index: LayoutIndex, wanted: string, path: string): Descriptor | undefined {
  const found = lookupOf(index).entries.get(wanted) ?? [];
  const first = found[0];
  if (first === undefined) return undefined;
  if (found.some((e) => e["digest"] !== first["digest"])) {
    const digests = found.map((e) => String(e["digest"])).join(", ");
    throw new StoreError("store-invalid", `${path}: ${wanted} names several: ${digests}`, {
      hint: "ask for one of them by its digest",
    });
  }
  const { annotations: _, ...d } = parseDescriptor(first, `${path}: the entry ${wanted}`);
  return d;
}

/** That `wanted`, a tag or digest, names nothing in a layout; the hint says what it has. */
export function notNamed(origin: string, wanted: string, index: LayoutIndex): StoreError {
  const there = names(index);
  return new StoreError("not-found", `${origin} has no ${isDigest(wanted) ? wanted : `tag ${wanted}`}`, {
    hint:
      there.length === 0
        ? "it has no tags"
        : `it has ${there.slice(0, 5).join(", ")}${there.length > 5 ? ", …" : ""}`,
  });
}

/** Every tag, each once, by its UTF-8 bytes. */
export function names(index: LayoutIndex): readonly string[] {
  return lookupOf(index).names;
}

/** What an index is asked for again and again, worked out once: it may have a hundred thousand entries. */
interface Lookup {
  /** By tag, and by digest. */
  readonly entries: ReadonlyMap<string, readonly Json[]>;
  readonly names: readonly string[];
}

const lookups = new WeakMap<LayoutIndex, Lookup>();

function lookupOf(index: LayoutIndex): Lookup {
  const known = lookups.get(index);
  if (known !== undefined) return known;
  const entries = new Map<string, Json[]>();
  const tags = new Set<string>();
  for (const entry of index.entries) {
    const name = nameOf(entry);
    if (name !== undefined) tags.add(name);
    for (const key of new Set([name, entry["digest"]])) {
      if (typeof key !== "string") continue;
      const others = entries.get(key);
      if (others === undefined) entries.set(key, [entry]);
      else others.push(entry);
    }
  }
  const names = [...tags].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const made = { entries, names };
  lookups.set(index, made);
  return made;
}

/** Points `name` at `d`, taking over an entry that names `d` without a tag. The same index where nothing changes. */
export function withTag(index: LayoutIndex, name: string, d: Descriptor): LayoutIndex {
  const now = index.entries.filter((e) => nameOf(e) === name);
  if (now.length === 1 && now[0]?.["digest"] === d.digest && now[0]["mediaType"] === d.mediaType)
    return index;
  const entries = index.entries.filter((e) => nameOf(e) !== name);
  const bare = entries.findIndex((e) => e["digest"] === d.digest && nameOf(e) === undefined);
  const old = bare < 0 ? undefined : entries[bare];
  const annotations = isObject(old?.["annotations"]) ? old["annotations"] : {};
  const entry: Json = {
    ...(old ?? entryOf(d)),
    annotations: { ...annotations, [REF_NAME]: name },
  };
  return {
    ...index,
    entries: bare < 0 ? [...entries, entry] : entries.with(bare, entry),
  };
}

/** Lists `d`, without a tag where nothing names it. The same index where it is listed. */
export function withRoot(index: LayoutIndex, d: Descriptor): LayoutIndex {
  if (index.entries.some((e) => e["digest"] === d.digest)) return index;
  const annotations = d.annotations === undefined ? {} : { annotations: d.annotations };
  return { ...index, entries: [...index.entries, { ...entryOf(d), ...annotations }] };
}

function entryOf(d: Descriptor): Json {
  return {
    mediaType: d.mediaType,
    digest: d.digest,
    size: d.size,
    ...(d.platform === undefined ? {} : { platform: d.platform }),
    ...(d.artifactType === undefined ? {} : { artifactType: d.artifactType }),
  };
}

export function withoutTag(index: LayoutIndex, name: string): LayoutIndex {
  return { ...index, entries: index.entries.filter((e) => nameOf(e) !== name) };
}

export function withoutDigest(index: LayoutIndex, digest: Digest): LayoutIndex {
  return { ...index, entries: index.entries.filter((e) => e["digest"] !== digest) };
}
