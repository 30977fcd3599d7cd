import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { bits, der, integer, octets, oid, sequence, set, TRUE, time, utf8 } from "./der.ts";

/** A certificate and its key, PEM. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  readonly commonName: string;
  /** To Kubernetes, the name of a group. */
  readonly organization?: string;
}

export interface LeafOptions {
  readonly subject: Subject;
  readonly usage: "server" | "client";
  /** DNS names and IPv4 addresses by which a server is called. */
  readonly names?: readonly string[];
}

const DAY = 24 * 60 * 60_000;
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const USAGES = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;

/** A new authority, for ten years: as long as no cluster of this kind lives. */
export function authority(subject: Subject, now: Date): Pair {
  const key = newKey();
  const extensions = [
    extension("2.5.29.19", true, sequence(TRUE)),
    // keyCertSign and cRLSign.
    extension("2.5.29.15", true, bits(Uint8Array.of(0b0000_0110), 1)),
    extension("2.5.29.14", false, octets(keyId(key))),
  ];
  return pair(key, certificate(subject, key, { subject, key }, extensions, now));
}

/** A certificate that `ca` vouches for. */
export function leaf(ca: Pair, issuer: Subject, options: LeafOptions, now: Date): Pair {
  const key = newKey();
  const caKey = createPrivateKey(ca.key);
  const names = options.names ?? [];
  const extensions = [
    // digitalSignature
    extension("2.5.29.15", true, bits(Uint8Array.of(0b1000_0000), 7)),
    extension("2.5.29.37", false, sequence(oid(USAGES[options.usage]))),
    extension("2.5.29.35", false, sequence(der(0x80, keyId(caKey)))),
    ...(names.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...names.map(generalName)))]),
  ];
  const made = certificate(options.subject, key, { subject: issuer, key: caKey }, extensions, now);
  return pair(key, made);
}

/** RFC 5280, section 4.1. */
function certificate(
  subject: Subject,
  key: KeyObject,
  issuer: { readonly subject: Subject; readonly key: KeyObject },
  extensions: readonly Uint8Array[],
  now: Date,
): Uint8Array {
  const tbs = sequence(
    der(0xa0, integer(Uint8Array.of(2))),
    integer(randomBytes(16)),
    ECDSA_SHA256,
    name(issuer.subject),
    // Clocks differ by minutes.
    sequence(time(new Date(now.getTime() - DAY)), time(new Date(now.getTime() + 3650 * DAY))),
    name(subject),
    publicKey(key),
    der(0xa3, sequence(...extensions)),
  );
  return sequence(tbs, ECDSA_SHA256, bits(sign("sha256", tbs, issuer.key)));
}

function name({ commonName, organization }: Subject): Uint8Array {
  const part = (id: string, text: string): Uint8Array => set(sequence(oid(id), utf8(text)));
  return sequence(
    ...(organization === undefined ? [] : [part("2.5.4.10", organization)]),
    part("2.5.4.3", commonName),
  );
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));
}

function generalName(text: string): Uint8Array {
  if (isIPv4(text)) return der(0x87, Uint8Array.from(text.split("."), Number));
  if (isIPv6(text)) throw new Error(`not an IPv4 address or a DNS name: ${text}`);
  return der(0x82, Buffer.from(text, "latin1"));
}

function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/** SubjectPublicKeyInfo. */
function publicKey(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ type: "spki", format: "der" });
}

function keyId(key: KeyObject): Uint8Array {
  return createHash("sha1").update(publicKey(key)).digest();
}

function pair(key: KeyObject, made: Uint8Array): Pair {
  const lines =
    Buffer.from(made)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
