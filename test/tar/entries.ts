import fc from "fast-check";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { type Entry, encodeHeader, padding, TarReader, TRAILER } from "../../src/tar/index.ts";

/** What a reader found: a header and the contents. */
export interface Found {
  readonly header: Parameters<ConstructorParameters<typeof TarReader>[0]["entry"]>[0];
  readonly content: Buffer;
}

/** An archive in memory, for tests. */
export async function archive(entries: readonly Entry[], end: boolean = true): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    parts.push(encodeHeader(entry));
    if (entry.type !== "file") continue;
    for await (const chunk of entry.body.open(0, quietCall())) parts.push(chunk);
    parts.push(padding(entry.size));
  }
  return Buffer.concat(end ? [...parts, TRAILER] : parts);
}

/** Reads an archive that arrives in pieces of `step` bytes. */
export function read(bytes: Uint8Array, step: number = 1 << 20, limits = {}): Found[] {
  const found: Found[] = [];
  let header: Found["header"] | undefined;
  let parts: Buffer[] = [];
  const reader = new TarReader(
    {
      entry(h) {
        if (header) throw new Error("an entry began within another");
        header = h;
      },
      data(chunk) {
        parts.push(Buffer.from(chunk));
      },
      end() {
        if (!header) throw new Error("an end without a beginning");
        found.push({ header, content: Buffer.concat(parts) });
        header = undefined;
        parts = [];
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += step) reader.write(bytes.subarray(at, at + step));
  reader.finish();
  return found;
}

/** A file of the given content, with everything else plain. */
export function file(path: string, content: string | Uint8Array = "", more: Partial<Entry> = {}): Entry {
  const bytes = Buffer.from(content);
  const common = { path, mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  return { ...common, ...more, type: "file", size: bytes.length, body: fromBytes(bytes) } as Entry;
}

const name = fc.oneof(
  fc.stringMatching(/^[a-z0-9._-]{1,60}$/),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).map((s) => s.replace(/[/\0]/g, "_")),
  fc.constantFrom("a".repeat(99), "b".repeat(100), "c".repeat(101), "d".repeat(155), "ü".repeat(60)),
);
const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join("/"));
const common = fc.record({
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.integer({ min: 0, max: 70000 }), fc.constantFrom(0o7777777, 0o10000000, 2 ** 32 - 2)),
  gid: fc.integer({ min: 0, max: 70000 }),
  mtime: fc.oneof(fc.integer({ min: 0, max: 2 ** 33 }), fc.constantFrom(-1, -86400, 8 ** 11 - 1, 8 ** 11)),
});

/** Any entry that tar can hold. */
export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc
    .tuple(
      common,
      fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 500, maxLength: 1100 })),
    )
    .map(([c, bytes]): Entry => ({ ...c, type: "file", size: bytes.length, body: fromBytes(bytes) })),
  common.map((c): Entry => ({ ...c, type: "dir" })),
  fc
    .tuple(
      common,
      fc.constantFrom("symlink" as const, "hardlink" as const),
      fc.oneof(
        path,
        path.map((p) => `../${p}`),
      ),
    )
    .map(([c, type, target]): Entry => ({ ...c, type, target })),
);
