import type { Descriptor } from "./descriptor.ts";
import { isDigest } from "./digest.ts";
import { OciError } from "./errors.ts";
import { isObject, type JsonObject, parseObject } from "./json.ts";
import { isIndexType, isManifestType, MediaType } from "./media-types.ts";
import type { Platform } from "./platform.ts";

/** A view of an image manifest (image-spec, manifest.md). The bytes it was read from stay the truth. */
export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A view of an image index (image-spec, image-index.md). */
export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Reads a manifest or an index, whichever the bytes are. @throws OciError `manifest-invalid` */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  mediaType?: string,
  what = "the manifest",
): Manifest | Index {
  const json = parseObject(bytes, "manifest-invalid", what);
  const type = kindOf(json, mediaType, what);
  const shared = {
    mediaType: type.mediaType,
    annotations: annotationsOf(json["annotations"]),
    ...(typeof json["artifactType"] === "string" ? { artifactType: json["artifactType"] } : {}),
    ...(json["subject"] === undefined || json["subject"] === null
      ? {}
      : { subject: parseDescriptor(json["subject"], `${what}: subject`) }),
  };
  if (type.index) {
    return { kind: "index", ...shared, manifests: descriptors(json["manifests"], `${what}: manifests`) };
  }
  return {
    kind: "manifest",
    ...shared,
    config: parseDescriptor(json["config"], `${what}: config`),
    layers: descriptors(json["layers"] ?? [], `${what}: layers`),
  };
}

/** @throws OciError `manifest-invalid` when the bytes are not an image manifest */
export function parseManifest(bytes: Uint8Array, mediaType?: string, what?: string): Manifest {
  const read = parseManifestOrIndex(bytes, mediaType, what);
  if (read.kind === "manifest") return read;
  throw new OciError("manifest-invalid", `${what ?? "the manifest"} is an index, not a manifest`);
}

/** @throws OciError `manifest-invalid` when the bytes are not an image index */
export function parseIndex(bytes: Uint8Array, mediaType?: string, what?: string): Index {
  const read = parseManifestOrIndex(bytes, mediaType, what);
  if (read.kind === "index") return read;
  throw new OciError("manifest-invalid", `${what ?? "the index"} is a manifest, not an index`);
}

// A document that could be read as either kind was CVE-2021-41190: what it says and what it holds must agree.
function kindOf(
  json: JsonObject,
  told: string | undefined,
  what: string,
): { mediaType: string; index: boolean } {
  const own = typeof json["mediaType"] === "string" ? json["mediaType"] : undefined;
  if (own !== undefined && told !== undefined && own !== told && (isIndexType(own) || isManifestType(own))) {
    throw new OciError("manifest-invalid", `${what} says ${own}, but it is stored as ${told}`);
  }
  const holdsIndex = Array.isArray(json["manifests"]);
  const holdsManifest = json["config"] !== undefined || json["layers"] !== undefined;
  if (holdsIndex && holdsManifest) {
    throw new OciError("manifest-invalid", `${what} has both manifests and layers`);
  }
  const mediaType = own ?? told ?? (holdsIndex ? MediaType.index : MediaType.manifest);
  const index = isIndexType(mediaType);
  if (!index && !isManifestType(mediaType)) {
    throw new OciError(
      "media-type-unknown",
      `${what} is of type ${JSON.stringify(mediaType)}, not an image's`,
    );
  }
  if (index !== holdsIndex) {
    throw new OciError(
      "manifest-invalid",
      `${what} is of type ${mediaType} but holds ${holdsIndex ? "manifests" : "none"}`,
    );
  }
  if (json["schemaVersion"] !== undefined && json["schemaVersion"] !== 2) {
    throw new OciError(
      "manifest-invalid",
      `${what} has schemaVersion ${JSON.stringify(json["schemaVersion"])}, not 2`,
    );
  }
  return { mediaType, index };
}

function descriptors(value: unknown, what: string): readonly Descriptor[] {
  if (!Array.isArray(value)) throw new OciError("manifest-invalid", `${what} is not a list`);
  return value.map((v, i) => parseDescriptor(v, `${what}[${i}]`));
}

/** Checks one descriptor; `what` names it in the message. @throws OciError `manifest-invalid` */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw new OciError("manifest-invalid", `${what} is missing, or not an object`);
  const { mediaType, digest, size, urls, data, artifactType } = value;
  if (typeof mediaType !== "string" || mediaType === "")
    throw new OciError("manifest-invalid", `${what} has no mediaType`);
  if (!isDigest(digest)) throw new OciError("manifest-invalid", `${what} has no sha256 or sha512 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new OciError("manifest-invalid", `${what} has no valid size`);
  }
  const platform = platformOf(value["platform"]);
  return {
    mediaType,
    digest,
    size,
    ...(value["annotations"] === undefined ? {} : { annotations: annotationsOf(value["annotations"]) }),
    ...(platform === undefined ? {} : { platform }),
    ...(typeof artifactType === "string" ? { artifactType } : {}),
    ...(Array.isArray(urls) ? { urls: urls.filter((u) => typeof u === "string") } : {}),
    ...(typeof data === "string" ? { data } : {}),
  };
}

function platformOf(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== "string" || typeof architecture !== "string") return undefined;
  const version = value["os.version"];
  return {
    os,
    architecture,
    ...(typeof variant === "string" && variant !== "" ? { variant } : {}),
    ...(typeof version === "string" ? { "os.version": version } : {}),
  };
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
}
