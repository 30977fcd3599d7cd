import type { Descriptor, Digest, Index, Manifest } from "../oci/index.ts";

/**
 * The manifests of a repository, and what each refers to. A record is written before its content and removed after it, so
 * that content which can be seen has its record, and a client that finds it there need not push it again. A record without
 * content is one of a manifest that was collected, or whose push did not end: nobody may rely on it.
 */
export interface ManifestRecords {
  get(digest: Digest): Promise<Descriptor | undefined>;
  /** Durable when it returns. */
  set(record: ManifestRecord): Promise<void>;
  delete(digest: Digest): Promise<void>;
  /** The manifests whose subject is `subject`, by digest. */
  referrers(subject: Digest): Promise<readonly Descriptor[]>;
}

export interface ManifestRecord {
  /** As the referrers API lists it: with its artifactType and annotations. */
  readonly descriptor: Descriptor;
  readonly subject?: Digest;
}

/** As the referrers API lists it: an artifactType is the manifest's own, or else its config's media type. */
export function recordOf(read: Manifest | Index, d: Descriptor): ManifestRecord {
  const type = read.artifactType || (read.kind === "manifest" ? read.config.mediaType : undefined);
  return {
    descriptor: {
      ...d,
      ...(type === undefined ? {} : { artifactType: type }),
      ...(Object.keys(read.annotations).length === 0 ? {} : { annotations: read.annotations }),
    },
    ...(read.subject === undefined ? {} : { subject: read.subject.digest }),
  };
}
