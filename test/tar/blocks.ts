type Value = number | Buffer;

interface Fields {
  name?: string;
  mode?: Value;
  uid?: Value;
  size?: Value;
  mtime?: Value;
  type?: string;
  link?: string;
  magic?: string;
  prefix?: string;
}

/**
 * A header block written by hand, and its contents: for what imgvol itself never writes. The size is the contents'
 * unless given.
 */
export function raw(
  f: Fields,
  content: string | Uint8Array = "",
  sum: "unsigned" | "signed" | "wrong" = "unsigned",
): Buffer {
  const body = Buffer.from(content);
  const block = Buffer.alloc(512);
  const number = (value: Value, at: number, length: number): void => {
    const bytes =
      typeof value === "number" ? Buffer.from(value.toString(8).padStart(length - 1, "0")) : value;
    bytes.copy(block, at, 0, length);
  };
  block.write(f.name ?? "name", 0);
  number(f.mode ?? 0o644, 100, 8);
  number(f.uid ?? 0, 108, 8);
  number(0, 116, 8);
  number(f.size ?? body.length, 124, 12);
  number(f.mtime ?? 0, 136, 12);
  block.write(f.type ?? "0", 156, "latin1");
  block.write(f.link ?? "", 157);
  block.write(f.magic ?? "ustar\x0000", 257, "latin1");
  block.write(f.prefix ?? "", 345);
  block.fill(" ", 148, 156);
  let total = sum === "wrong" ? 1 : 0;
  for (const byte of block) total += sum === "signed" && byte > 127 ? byte - 256 : byte;
  block.write(`${total.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** Extended header records, in the order given. */
export function records(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest) + 1;
      while (Buffer.byteLength(`${length}${rest}`) > length) length++;
      return `${length}${rest}`;
    })
    .join("");
}
