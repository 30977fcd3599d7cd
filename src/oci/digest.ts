import { createHash, type Hash } from "node:crypto";
import { OciError } from "./errors.ts";

/** `algorithm:hex`, checked (image-spec, descriptor.md#digests). imgvol computes sha256 and understands sha512. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether `text` is a digest of an algorithm that imgvol can verify. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && DIGEST.test(text);
}

/** @throws OciError `digest-invalid` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new OciError("digest-invalid", `not a digest: ${text}`, {
    hint: "a digest is sha256: and 64 hexadecimal digits in lower case",
  });
}

/** The sha256 digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A running hash of the algorithm that `like` uses (sha256 where not given). */
export function digester(like?: Digest): { update(chunk: Uint8Array): void; digest(): Digest } {
  const algorithm = like?.startsWith("sha512:") ? "sha512" : "sha256";
  const hash: Hash = createHash(algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => `${algorithm}:${hash.digest("hex")}`,
  };
}
