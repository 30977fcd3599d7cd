import { fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";

/** A line of a hand-made archive: `dir a`, `file a/b content`, `symlink a target`, `hardlink a target`, `char a`. */
const TYPES: Readonly<Record<string, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  dir: "5",
  fifo: "6",
};

/** A ustar archive of any names, also such as our own writer refuses. */
export function archive(lines: readonly string[], mode = 0o640): Buffer {
  const blocks = lines.map((line) => {
    const [type = "", path = "", ...rest] = line.split(" ");
    const text = rest.join(" ");
    const content = Buffer.from(type === "file" ? text : "");
    const header = Buffer.alloc(512);
    header.write(path, 0);
    header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
    header.write("0000003\0", 108);
    header.write("0000004\0", 116);
    header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000005\0", 136);
    header.write("        ", 148);
    header.write(TYPES[type] ?? "?", 156);
    if (type.endsWith("link")) header.write(text, 157);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** Stores archives as uncompressed layers. */
export async function layersOf(store: Store, layers: readonly (readonly string[])[]): Promise<Descriptor[]> {
  const stored: Descriptor[] = [];
  for (const lines of layers) {
    stored.push(await store.ingest(MediaType.layerTar, fromBytes(archive(lines)), quietCall()));
  }
  return stored;
}
