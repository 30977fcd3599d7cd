/** What one program does not do, and how that shows. */
export interface Refusal {
  /** Whose reason it is, as the page says it. */
  readonly because: string;
  readonly operations: RegExp;
  readonly clients?: RegExp;
  readonly registries?: RegExp;
  /** What the failure must say: the test fails when the peer says something else, or does it after all. */
  readonly told: RegExp;
}

const NO_SHA512 =
  "go-containerregistry's registry takes a blob named by sha512 (201), and then does not have it (404). imgvol asks, and says so.";

/** The first that fits counts. */
const REFUSALS: readonly Refusal[] = [
  {
    because: NO_SHA512,
    operations: /^pull: sha512$/,
    registries: /^go-containerregistry$/,
    told: /the registry took sha512:\S+, and lacks it/,
  },
  {
    because:
      "crane names a config by sha256 alone, so it sends and writes it under another name than the manifest does.",
    operations: /sha512$/,
    clients: /^crane$/,
    told: /MANIFEST_BLOB_UNKNOWN|has no sha512:|sha512:\S+ answers 404/,
  },
  {
    because: "skopeo hashes what it copies by sha256 alone, and stops with an internal error.",
    operations: /sha512$/,
    clients: /^skopeo$/,
    told: /Internal error writing blob sha512:\S+, blob with digest sha512:\S+ saved with digest sha256:/,
  },
  {
    because: NO_SHA512,
    operations: /^push: sha512$/,
    registries: /^go-containerregistry$/,
    told: /the registry took sha512:\S+, and lacks it|sha512:\S+ answers 404/,
  },
  {
    because:
      "Asked for a blob by sha512, this registry says that its digest is a sha256 (`Docker-Content-Digest`); oras refuses that answer.",
    operations: /^pull: sha512$/,
    clients: /^oras$/,
    registries: /^(docker-registry|distribution)$/,
    told: /digest mismatch in Docker-Content-Digest: received "sha256:/,
  },
  {
    because: "The client has no command for referrers.",
    operations: /^(list referrers|copy with referrers)$/,
    clients: /^(crane|skopeo)$/,
    told: /has no such command/,
  },
  {
    because: "The registry has no referrers API, and skopeo does not write the tag that stands in for it.",
    operations: /^push a referrer$/,
    clients: /^skopeo$/,
    registries: /^(docker-registry|distribution|go-containerregistry)$/,
    told: /no referrer by tag/,
  },
  {
    because: "go-containerregistry's registry deletes the digest alone: its tags still answer.",
    operations: /^delete$/,
    registries: /^go-containerregistry$/,
    told: /the tag v1 is still there/,
  },
];

export function refusalOf(operation: string, client: string, registry: string): Refusal | undefined {
  return REFUSALS.find(
    (r) =>
      r.operations.test(operation) &&
      (r.clients?.test(client) ?? true) &&
      (r.registries?.test(registry) ?? true),
  );
}
