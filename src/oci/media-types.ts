/** OCI image-spec media types (media-types.md) and their Docker schema 2 siblings. */
export const MediaType = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  layerTar: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayerTar: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

const INDEXES: ReadonlySet<string> = new Set([MediaType.index, MediaType.dockerIndex]);
const MANIFESTS: ReadonlySet<string> = new Set([MediaType.manifest, MediaType.dockerManifest]);

export function isIndexType(mediaType: string): boolean {
  return INDEXES.has(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.has(mediaType);
}

/** Manifests and indexes: what a registry keeps under `/manifests/`. */
export function isManifestLike(mediaType: string): boolean {
  return INDEXES.has(mediaType) || MANIFESTS.has(mediaType);
}

export type Compression = "none" | "gzip" | "zstd";

const LAYERS: ReadonlyMap<string, Compression> = new Map([
  [MediaType.layerTar, "none"],
  [MediaType.layerGzip, "gzip"],
  [MediaType.layerZstd, "zstd"],
  [MediaType.dockerLayerTar, "none"],
  [MediaType.dockerLayerGzip, "gzip"],
  ["application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar", "none"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "gzip"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "zstd"],
  ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "gzip"],
]);

/** The compression that a layer's media type declares, or undefined where it is not a tar layer's. */
export function layerCompression(mediaType: string): Compression | undefined {
  return LAYERS.get(mediaType);
}

/** The largest manifest, index or config that imgvol reads: what registries accept, in bytes. */
export const MANIFEST_LIMIT: number = 4 * 1024 * 1024;
