/** The little of ASN.1 that a certificate needs, in its distinguished encoding (ITU-T X.690). */

export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  const length: number[] = [];
  for (let left = body.length; left > 0; left >>>= 8) length.unshift(left & 0xff);
  const head = body.length < 0x80 ? [tag, body.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Uint8Array.from(head), body]);
}

export const sequence = (...contents: readonly Uint8Array[]): Uint8Array => der(0x30, ...contents);
export const set = (...contents: readonly Uint8Array[]): Uint8Array => der(0x31, ...contents);
export const octets = (bytes: Uint8Array): Uint8Array => der(0x04, bytes);
export const utf8 = (text: string): Uint8Array => der(0x0c, Buffer.from(text));
export const TRUE: Uint8Array = der(0x01, Uint8Array.of(0xff));

/** A number that is not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const shortest = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const negative = ((shortest[0] ?? 0) & 0x80) !== 0;
  return der(0x02, negative ? Buffer.concat([Uint8Array.of(0), shortest]) : shortest);
}

/** @param unused of the last byte, how many bits count for nothing */
export function bits(bytes: Uint8Array, unused = 0): Uint8Array {
  return der(0x03, Uint8Array.of(unused), bytes);
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, Uint8Array.from(bytes));
}

/** GeneralizedTime, to the second: any year of four digits. RFC 5280 wants UTCTime before 2050; verifiers take both. */
export function time(at: Date): Uint8Array {
  const text = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}
