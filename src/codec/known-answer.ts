import { createHash } from "node:crypto";
import { deflate } from "./deflate.ts";
import type { LayerFormat } from "./encoder.ts";
import { frame } from "./zstd.ts";

/** sha256 of what the official builds of Node.js make of {@link sample}. */
const KNOWN = {
  gzip: "fc1ccaafd513e4f22d2dd606ad5c3143d0e7f946a1b480c0a5123c58b82f4760",
  zstd: "1c3fe2854cd0b45bc8ea22db6365f35a27e10837ceab597cff29e07393d85997",
} as const;

const checked = new Map<keyof typeof KNOWN, Promise<boolean>>();

/**
 * Whether this Node.js compresses to the same bytes as its official builds do. Where it does not (another zlib, another
 * processor), the layer's diff_id is still the same as everywhere, its digest is not. Computed once a process, in milliseconds.
 */
export function knownAnswer(compression: LayerFormat["compression"]): Promise<boolean> {
  if (compression === "none") return Promise.resolve(true);
  const kind = compression === "zstd" ? "zstd" : "gzip";
  const known = checked.get(kind) ?? answer(kind).then((digest) => digest === KNOWN[kind]);
  checked.set(kind, known);
  return known;
}

async function answer(kind: keyof typeof KNOWN): Promise<string> {
  const bytes = sample();
  const half = bytes.length / 2;
  const hash = createHash("sha256");
  const pieces =
    kind === "zstd"
      ? [frame(bytes, 3)]
      : [1, 6, 9].map((level) => deflate(bytes.subarray(half), level, bytes.subarray(0, half)));
  for (const piece of (await Promise.all(pieces)).flat()) hash.update(piece);
  return hash.digest("hex");
}

/** Half-compressible bytes without a pattern that a shortcut could find: words of a fixed random sequence. */
function sample(): Buffer {
  const bytes = Buffer.alloc(64 * 1024);
  let state = 1;
  const next = (below: number): number => {
    // Numerical Recipes' linear congruential generator; its high bits are the better ones.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const words = Array.from({ length: 400 }, () =>
    Buffer.from(Array.from({ length: 2 + next(9) }, () => 97 + next(26))),
  );
  for (let at = 0; at < bytes.length; ) {
    const word = words[Math.min(next(400), next(400))] ?? Buffer.alloc(1);
    at += word.copy(bytes, at) || 1;
    if (at < bytes.length) bytes[at++] = next(8) === 0 ? next(256) : 32;
  }
  return bytes;
}
