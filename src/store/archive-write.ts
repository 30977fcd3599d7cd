import { open } from "node:fs/promises";
import { type ByteSource, type Call, fromBytes } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { type Entry, encodeHeader, padding, TRAILER } from "../tar/index.ts";
import { formatIndex, type LayoutIndex } from "./layout-index.ts";
import { MARKER } from "./layout-new.ts";

/** A file of an archive, or where it comes from. */
export interface Part {
  readonly name: string;
  readonly size: number;
  readonly source: ByteSource;
}

/**
 * Writes an archive to a new file, and to the disk. The bytes follow from what is in it alone: `oci-layout` and `index.json`
 * come first, then the rest by the bytes of their names, each blob's folder before it; owner and times are 0.
 */
export async function writeArchive(
  to: string,
  index: LayoutIndex,
  parts: readonly Part[],
  call: Call,
): Promise<void> {
  const order = parts.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const bytes = formatIndex(index);
  const task = call.progress?.start(
    "writing the archive",
    order.reduce((sum, part) => sum + part.size, 0),
  );
  const file = await open(to, "wx", 0o644);
  const write = async (chunk: Uint8Array): Promise<void> => {
    for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
  };
  try {
    await writeFile("oci-layout", { size: MARKER.length, source: fromBytes(MARKER) });
    await writeFile("index.json", { size: bytes.length, source: fromBytes(bytes) });
    const folders = new Set<string>();
    for (const part of order) {
      for (const folder of foldersOf(part.name)) {
        if (!folders.has(folder))
          await write(encodeHeader({ ...COMMON, path: folder, mode: 0o755, type: "dir" }));
        folders.add(folder);
      }
      await writeFile(part.name, part);
    }
    await write(TRAILER);
    await file.sync();
    task?.done();
  } catch (error) {
    task?.failed();
    throw error;
  } finally {
    await file.close();
  }

  async function writeFile(path: string, { size, source }: Omit<Part, "name">): Promise<void> {
    const entry: Entry = { ...COMMON, path, mode: 0o644, type: "file", size, body: source };
    await write(encodeHeader(entry));
    let left = size;
    for await (const chunk of source.open(0, call)) {
      call.signal.throwIfAborted();
      left -= chunk.length;
      if (left < 0) break;
      await write(chunk);
      task?.advance(chunk.length);
    }
    if (left !== 0) throw new StoreError("size-mismatch", `${path} was cut while the archive was written`);
    await write(padding(size));
  }
}

/** What every archive begins with is made for it, and is no part of another. */
export function isWrittenAnew(name: string): boolean {
  return name === "oci-layout" || name === "index.json";
}

const COMMON = { uid: 0, gid: 0, mtime: 0 } as const;

/** `blobs` and `blobs/sha256` of `blobs/sha256/HEX`. */
function foldersOf(name: string): readonly string[] {
  const names = name.split("/");
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join("/"));
}
