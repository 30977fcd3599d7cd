import { type Digest, MediaType } from "../../src/oci/index.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";
import type { Dice } from "./fuzz-socket.ts";

// What fuzzed requests are put together from.

/** What is in the registry that is asked, and what is not. */
export const BLOB: Buffer = Buffer.from("layer");
export const THERE: Digest = sha256(BLOB);
export const MISSING: Digest = sha256("nothing");

export const CLIMBS: readonly string[] = [
  "",
  ..."_layout _uploads _lock ~root ..; C: … . .. %2e%2e %2E%2e%2F.. ..%2f..%2f..%2fetc%2fpasswd".split(" "),
  ..."%00 a%00b a..\b %5c..%5c %c0%ae%c0%ae".split(" "),
];

export const name = (d: Dice): string =>
  d.one("img", "a", "a/b", "new/one", "img/_layout", d.one("", ...CLIMBS), `${"a/".repeat(d.below(200))}a`);
export const reference = (d: Dice): string =>
  d.one(
    "v1",
    "latest",
    THERE,
    MISSING,
    "sha256:short",
    `sha256:${"../".repeat(20)}x`,
    `sha512:${"0".repeat(128)}`,
    "md5:d41d",
    d.one("", ...CLIMBS),
    safe(d.text(20)),
  );
export const endpoint = (d: Dice): string => {
  const n = name(d);
  return d.one(
    `/v2/${n}/manifests/${reference(d)}`,
    `/v2/${n}/blobs/${reference(d)}`,
    `/v2/${n}/blobs/uploads/${d.one("", reference(d))}`,
    `/v2/${n}/tags/list`,
    `/v2/${n}/referrers/${reference(d)}`,
    "/v2/_catalog",
    "/v2/",
    `/${n}`,
    `/r/${n}`,
  );
};
export const query = (d: Dice): string => {
  const keys = "digest mount from n last tag artifactType page q ns __proto__".split(" ");
  const values = [THERE, MISSING, ..."-1 0 1 99999999999999999999 1e9 NaN %zz %00 a&n=2 img ../x".split(" ")];
  const pairs = Array.from({ length: d.below(4) }, () => `${d.one("n", ...keys)}=${d.one("", ...values)}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
};
export const json = (d: Dice): string =>
  d.one(
    manifestOf("{}", ["layer"]),
    manifestOf("{}", ["missing"]),
    manifestOf("{}", ["layer"], { subject: { mediaType: "x", digest: MISSING, size: -1 } }),
    manifestOf("{}", ["layer"], { annotations: { "\u0000": 1 } }),
    '{"__proto__":{"config":1}}',
    '{"schemaVersion":2,"manifests":[]}',
    '{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}',
    "[".repeat(d.below(5000)),
    "null",
    "",
    mutated(d, manifestOf("{}", ["layer"])),
    d.text(200),
  );
export const type = (d: Dice): string =>
  d.one<string>(
    MediaType.manifest,
    MediaType.index,
    MediaType.dockerManifest,
    "text/plain",
    "application/json; charset=x",
    "",
    "*/*",
  );

function mutated(d: Dice, text: string): string {
  const at = d.below(text.length);
  return text.slice(0, at) + d.text(3) + text.slice(at + d.below(4));
}

/** Without what would end a request line or a header field. */
export function safe(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return encodeURI(text.replace(/[\u0000-\u0020"<>\\^`{|}?#%]/g, "")).slice(0, 200);
}

export function request(
  method: string,
  target: string,
  headers: readonly string[] = [],
  body: string | Buffer = "",
): Buffer {
  const length = Buffer.byteLength(body);
  const sized = headers.some((line) => /^(?:content-length|transfer-encoding):/i.test(line));
  const hosted = headers.some((line) => /^host:/i.test(line));
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...(hosted ? [] : ["Host: localhost"]),
    "Connection: close",
    ...(sized || length === 0 ? [] : [`Content-Length: ${length}`]),
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

/** As a client may send it: what is beyond ASCII encoded, what is encoded already left. */
export function encoded(target: string): string {
  return encodeURI(target).replaceAll("%25", "%");
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A request as bytes, and the answers that are right for its kind. */
export interface Case {
  readonly kind: string;
  readonly bytes: Buffer;
  /** Statuses; 0 for a connection that ends without an answer. */
  readonly right: ReadonlySet<number>;
  /** The client says that nothing more comes: else it would wait for an answer that waits for more. */
  readonly ends: boolean;
}

export const of = (kind: string, bytes: Buffer, ...right: readonly number[]): Case => ({
  kind,
  bytes,
  right: new Set(right),
  ends: right.includes(0),
});

/** What may be answered to a request that is good HTTP and says anything at all. */
export const ANY = [200, 201, 202, 204, 206, 304, 400, 403, 404, 405, 413, 416, 421, 429] as const;
