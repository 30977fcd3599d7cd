import assert from "node:assert/strict";
import { createHash } from "node:crypto";

// What a registry holds, asked with plain requests: no client's word for it, not even ours.

const INDEXES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

export interface RawManifest {
  readonly status: number;
  readonly type: string;
  readonly bytes: Buffer;
}

export async function rawManifest(host: string, repository: string, reference: string): Promise<RawManifest> {
  const headers = { accept: [...INDEXES, ...MANIFESTS].join(", ") };
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { headers });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, type: answer.headers.get("content-type") ?? "", bytes };
}

export function hashedBy(digest: string, bytes: Uint8Array): string {
  const algorithm = digest.split(":")[0] ?? "";
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Everything below a manifest, itself too, by digest; each is hashed. */
export async function rawImage(
  host: string,
  repository: string,
  digest: string,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const manifest = async (digest: string): Promise<void> => {
    if (found.has(digest)) return;
    const { status, type, bytes } = await rawManifest(host, repository, digest);
    assert.equal(status, 200, `${digest} answers ${status}`);
    assert.equal(hashedBy(digest, bytes), digest);
    found.set(digest, bytes);
    const { manifests, config, layers } = JSON.parse(bytes.toString());
    if (INDEXES.includes(type)) {
      for (const child of manifests as Descriptor[]) await manifest(child.digest);
    } else {
      for (const { digest } of [config, ...layers] as Descriptor[]) await blob(digest);
    }
  };
  const blob = async (digest: string): Promise<void> => {
    if (found.has(digest)) return;
    const answer = await fetch(`http://${host}/v2/${repository}/blobs/${digest}`);
    assert.equal(answer.status, 200, `${digest} answers ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(hashedBy(digest, bytes), digest);
    found.set(digest, bytes);
  };
  await manifest(digest);
  return found;
}

/** What refers to a digest: by the referrers API, or by the tag that stands in for it (distribution-spec). */
export async function rawReferrers(
  host: string,
  repository: string,
  digest: string,
): Promise<{ readonly by: "api" | "tag"; readonly digests: readonly string[] }> {
  const digestsOf = (text: string): string[] =>
    (JSON.parse(text).manifests as Descriptor[]).map(({ digest }) => digest);
  const answer = await fetch(`http://${host}/v2/${repository}/referrers/${digest}`);
  if (answer.status === 200) return { by: "api", digests: digestsOf(await answer.text()) };
  assert.equal(answer.status, 404);
  const { status, bytes } = await rawManifest(host, repository, digest.replace(":", "-"));
  assert.ok(status === 200 || status === 404);
  return { by: "tag", digests: status === 200 ? digestsOf(bytes.toString()) : [] };
}
