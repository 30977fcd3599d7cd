export { type ImageConfig, parseConfig } from "./config.ts";
export type { Descriptor } from "./descriptor.ts";
export { type Digest, digester, digestOf, isDigest, parseDigest } from "./digest.ts";
export { type OciCode, OciError, type StoreCode, StoreError } from "./errors.ts";
export type { Finding } from "./finding.ts";
export { canonicalJson, isObject } from "./json.ts";
export {
  type Index,
  type Manifest,
  parseDescriptor,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
} from "./manifest.ts";
export {
  type Compression,
  isIndexType,
  isManifestLike,
  isManifestType,
  layerCompression,
  MANIFEST_LIMIT,
  MediaType,
} from "./media-types.ts";
export { formatPlatform, hostPlatform, type Platform, parsePlatform, platformScore } from "./platform.ts";
export {
  type FileReference,
  formatReference,
  isRepository,
  isTag,
  parseReference,
  pinned,
  type Reference,
  type RemoteReference,
  registryOf,
  repositoryOf,
  wantedOf,
} from "./reference.ts";
export { TAG_RULE } from "./reference-refusal.ts";
export { asReferrer, fallbackTag, isOfType } from "./referrer.ts";
export type {
  BlobMount,
  BlobStat,
  Capabilities,
  Deletes,
  Mirrors,
  PutOptions,
  Referrers,
  Roots,
  Store,
  Tags,
} from "./store.ts";
