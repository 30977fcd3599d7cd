import assert from "node:assert/strict";
import { test } from "node:test";
import { bits, der, integer, octets, oid, sequence, time, utf8 } from "../../src/native/der.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// Worked out by hand from X.690; the object identifiers stand in RFC 5280 and RFC 5758.
const CASES: Readonly<Record<string, [made: Uint8Array, wanted: string]>> = {
  "an integer of 0": [integer(Uint8Array.of(0, 0)), "020100"],
  "an integer without leading zeros": [integer(Uint8Array.of(0, 0, 5)), "020105"],
  "an integer whose first bit is set stays positive": [integer(Uint8Array.of(0x80)), "02020080"],
  "an integer of 127": [integer(Uint8Array.of(0x7f)), "02017f"],
  "bits, of which seven count for nothing": [bits(Uint8Array.of(0x80), 7), "03020780"],
  "ecdsa-with-SHA256": [oid("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
  "the common name's attribute": [oid("2.5.4.3"), "0603550403"],
  "a time before 2050": [
    time(new Date("2026-11-23T12:34:56.789Z")),
    `170d${hex(Buffer.from("261123123456Z"))}`,
  ],
  "a time after it": [time(new Date("2050-01-01T00:00:00Z")), `180f${hex(Buffer.from("20500101000000Z"))}`],
  "an empty sequence": [sequence(), "3000"],
  "UTF-8": [utf8("ü"), "0c02c3bc"],
};

for (const [name, [made, wanted]] of Object.entries(CASES)) {
  test(name, () => assert.equal(hex(made), wanted));
}

const LENGTHS = [
  [0x7f, "047f"],
  [0x80, "048180"],
  [0xff, "0481ff"],
  [0x100, "04820100"],
  [0x1_0000, "0483010000"],
] as const;

for (const [length, head] of LENGTHS) {
  test(`a length of ${length}`, () => {
    const made = octets(new Uint8Array(length));
    assert.equal(hex(made.subarray(0, head.length / 2)), head);
    assert.equal(made.length, head.length / 2 + length);
  });
}

test("contents are put together in their order", () => {
  assert.equal(hex(der(0xa0, Uint8Array.of(1), Uint8Array.of(2, 3))), "a003010203");
});
