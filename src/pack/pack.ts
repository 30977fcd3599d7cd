import type { Call } from "../base/index.ts";
import { encoderFor, type LayerFormat } from "../codec/index.ts";
import type { Descriptor, Digest, Finding, Platform, Store } from "../oci/index.ts";
import { archiveCorner } from "../store/index.ts";
import { type FolderOptions, type Layer, type Tree, writeLayer } from "../tree/index.ts";
import { PackError, StrictRefused } from "./errors.ts";
import { writeImage } from "./image.ts";
import { type Source, sourcesTree } from "./sources.ts";
import { splitTree } from "./split.ts";
import { Told } from "./told.ts";
import { weighingStore } from "./weigh.ts";

/** The annotation that says how the layer's bytes were made: the same id and the same tree give the same digest. */
export const FORMAT_ANNOTATION = "dev.imgvol.format";

export interface PackOptions extends Omit<FolderOptions, "tell"> {
  /** Default `auto`. */
  readonly format?: LayerFormat | undefined;
  /** Default linux/amd64 and linux/arm64 in one index; `none` is a single manifest. */
  readonly platforms?: readonly Platform[] | "none" | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The `config` object of the image's config: what it runs, as whom (image-spec, config.md). A volume needs none. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** The tag to give; without one the image is reached by its digest alone. */
  readonly tag?: string | undefined;
  /** The most bytes of one layer before compression; default no limit, and one layer. */
  readonly split?: number | undefined;
  /** Refuses to publish where there is a warning. */
  readonly strict?: boolean | undefined;
  /** Does all the work, and stores nothing. */
  readonly dryRun?: boolean | undefined;
}

/** A volume image that a store holds (after a dry run: would hold). */
export interface Packed {
  /** Of the index, or of the single manifest. */
  readonly descriptor: Descriptor;
  readonly digest: Digest;
  readonly layers: readonly Layer[];
  readonly entries: number;
  /** Of all layers before compression. */
  readonly bytes: number;
  /** What was left out, changed, or looks wrong; each thing once. */
  readonly told: readonly Finding[];
}

/**
 * Packs sources into a volume image, written straight into a store: layers first, then what names them, the tag last.
 *
 * @throws PackError `target-invalid`, `annotation-invalid`, `split-invalid`, `source-invalid`; StrictRefused; what
 * the sources (BaseError, TreeError) and the store (StoreError) throw
 */
export async function pack(
  sources: readonly Source[],
  to: Store,
  options: PackOptions,
  call: Call,
): Promise<Packed> {
  refuseNonsense(sources, options);
  const store = options.dryRun ? weighingStore(to.origin) : to;
  const format = options.format ?? { compression: "auto" };
  const told = new Told();
  for (const source of sources) if ("tree" in source) source.told?.forEach(told.tell);
  const tree = sourcesTree(sources, { ...options, tell: told.tell }, placesOf(to));
  if (options.strict) await refuseWarnings(tree, told, call);
  const trees = options.split === undefined ? [tree] : await splitTree(tree, options.split, call);
  const layers: Layer[] = [];
  for (const part of trees) layers.push(await writeLayer(store, part, format, call));
  for (const finding of layers.flatMap((layer) => layer.told)) told.tell(finding);

  const annotations = { ...options.annotations, [FORMAT_ANNOTATION]: encoderFor(format).id };
  const { platforms, sourceDateEpoch: created, config } = options;
  const spec = { platforms, created, annotations, config };
  const descriptor = await writeImage(store, layers, spec, call);
  if (options.tag !== undefined) await store.tag(options.tag, descriptor, call);
  const sum = (of: (layer: Layer) => number): number => layers.reduce((total, layer) => total + of(layer), 0);
  const entries = sum((layer) => layer.entries);
  if (entries === 0) told.tell(EMPTY);
  return {
    descriptor,
    digest: descriptor.digest,
    layers,
    entries,
    bytes: sum((l) => l.bytes),
    told: told.list(),
  };
}

/** Where a layout's or an archive's store writes. */
function placesOf(store: Store): readonly string[] {
  const [, scheme, path] = /^(oci|oci-archive):(.*)$/s.exec(store.origin) ?? [];
  if (path === undefined) return [];
  return scheme === "oci" ? [path] : [path, archiveCorner(path)];
}

const EMPTY: Finding = {
  code: "volume-empty",
  severity: "warning",
  subject: "/",
  message: "the volume is empty",
  fix: ["check the source, and what its ignore file leaves"],
};

function refuseNonsense(sources: readonly Source[], options: PackOptions): void {
  const refuse = (
    code: "source-invalid" | "split-invalid" | "annotation-invalid",
    message: string,
  ): never => {
    throw new PackError(code, message, { wrongUse: true });
  };
  if (sources.length === 0) refuse("source-invalid", "there is nothing to pack");
  const { split, annotations = {}, platforms } = options;
  if (split !== undefined && !(Number.isSafeInteger(split) && split > 0)) {
    refuse("split-invalid", `layers of ${split} bytes cannot be made`);
  }
  for (const name of Object.keys(annotations)) {
    if (name === "" || name === FORMAT_ANNOTATION) {
      refuse(
        "annotation-invalid",
        name === "" ? "an annotation has no name" : `${name} is imgvol's own annotation`,
      );
    }
  }
  if (platforms?.length === 0) refuse("source-invalid", "an index for no platform serves no node");
}

/** Walks the tree without reading contents: nothing is stored yet when a warning is found. */
async function refuseWarnings(tree: Tree, told: Told, call: Call): Promise<void> {
  let entries = 0;
  for await (const _ of tree(call)) entries++;
  if (entries === 0) told.tell(EMPTY);
  const findings = told.list();
  if (findings.some((finding) => finding.severity !== "note")) throw new StrictRefused(findings);
}
