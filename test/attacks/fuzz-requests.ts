import { MediaType } from "../../src/oci/index.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";
import type { Dice } from "./fuzz-socket.ts";

/** A request as bytes, and the answers that are right for its kind. */
export interface Case {
  readonly kind: string;
  readonly bytes: Buffer;
  /** Statuses; 0 for a connection that ends without an answer. */
  readonly right: ReadonlySet<number>;
  /** The client says that nothing more comes: else it would wait for an answer that waits for more. */
  readonly ends: boolean;
}

/** What is in the registry that is asked. */
export const BLOB: Buffer = Buffer.from("layer");
const THERE = sha256(BLOB);
const MISSING = sha256("nothing");

const CLIMBS = [
  "..",
  "%2e%2e",
  "%2E%2e%2F..",
  "..%2f..%2f..%2fetc%2fpasswd",
  ".",
  "",
  "%00",
  "a%00b",
  "_layout",
  "_uploads",
  "_lock",
  "~root",
  "a\\..\\b",
  "%5c..%5c",
  "%c0%ae%c0%ae",
  "..;",
  "C:",
  "…",
] as const;

const name = (d: Dice): string =>
  d.one("img", "a", "a/b", "new/one", "img/_layout", d.one(...CLIMBS), `${"a/".repeat(d.below(200))}a`);
const reference = (d: Dice): string =>
  d.one(
    "v1",
    "latest",
    THERE,
    MISSING,
    "sha256:short",
    `sha256:${"../".repeat(20)}x`,
    `sha512:${"0".repeat(128)}`,
    "md5:d41d",
    d.one(...CLIMBS),
    safe(d.text(20)),
  );
const endpoint = (d: Dice): string => {
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
const query = (d: Dice): string => {
  const keys = [
    "digest",
    "mount",
    "from",
    "n",
    "last",
    "tag",
    "artifactType",
    "page",
    "q",
    "ns",
    "__proto__",
  ];
  const values = [
    THERE,
    MISSING,
    "-1",
    "0",
    "1",
    "99999999999999999999",
    "1e9",
    "NaN",
    "%zz",
    "%00",
    "a&n=2",
    "img",
    "../x",
  ];
  const pairs = Array.from({ length: d.below(4) }, () => `${d.one("n", ...keys)}=${d.one("", ...values)}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
};
const json = (d: Dice): string =>
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
const type = (d: Dice): string =>
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
function safe(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return encodeURI(text.replace(/[\u0000-\u0020"<>\\^`{|}?#%]/g, "")).slice(0, 200);
}

function request(
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

const of = (kind: string, bytes: Buffer, ...right: readonly number[]): Case => ({
  kind,
  bytes,
  right: new Set(right),
  ends: right.includes(0),
});

/** What may be answered to a request that is good HTTP and says anything at all. */
const ANY = [200, 201, 202, 204, 206, 304, 400, 403, 404, 405, 413, 416, 421, 429] as const;

/** A row for each kind of request. */
const KINDS: readonly ((d: Dice) => Case)[] = [
  (d) => {
    // RFC 9110, section 14.2: what a server cannot make sense of it may ignore.
    const [range, ...right] = d.one<readonly [string, ...number[]]>(
      ["bytes=0-1", 206],
      ["bytes=4-", 206],
      ["bytes=-2", 206],
      ["bytes=0-999999999999999999", 206, 200],
      ["bytes=5-", 416],
      ["bytes=99999999999999999999-", 416, 200],
      ["bytes=-0", 416],
      ["bytes=3-1", 200, 416],
      ["bytes=a-b", 200],
      ["bytes=0-1,3-4", 200],
      ["lines=0-1", 200],
      ["bytes", 200],
      ["", 200],
    );
    return of(`range ${range}`, request("GET", `/v2/img/blobs/${THERE}`, [`Range: ${range}`]), ...right);
  },
  (d) =>
    of(
      "missing blob",
      request(d.one("GET", "HEAD", "DELETE"), `/v2/${d.one("img", "none", "a/b/c")}/blobs/${MISSING}`),
      404,
    ),
  (d) => {
    const bad = d.one(
      "sha256:short",
      `sha256:${"g".repeat(64)}`,
      `sha256:${"A".repeat(64)}`,
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      "sha256",
      ":",
      "v1",
    );
    return of(`bad digest ${bad}`, request(d.one("GET", "HEAD", "DELETE"), `/v2/img/blobs/${bad}`), 400);
  },
  (d) => {
    const bad = d.one(
      "IMG",
      "a//b",
      "-a",
      "a-",
      "a..b",
      "a/_layout",
      "a b",
      "%20",
      "é",
      "a\u00ad",
      "a/../b",
      d.one(...CLIMBS),
    );
    const tail = d.one("tags/list", "manifests/v1", `blobs/${THERE}`, "blobs/uploads/");
    const method = tail.endsWith("/") ? "POST" : "GET";
    return of(`bad name ${bad}`, request(method, `/v2/${encodeURI(decoded(bad))}/${tail}`), 400, 404);
  },
  (d) => {
    const climb = Array.from({ length: 1 + d.below(6) }, () => d.one(...CLIMBS)).join("/");
    const target = d.one(
      `/v2/${climb}/manifests/v1`,
      `/v2/img/blobs/${climb}`,
      `/v2/img/manifests/${climb}`,
      `/${climb}/x`,
      `/r/${climb}`,
      `/v2/img/blobs/uploads/${climb}`,
    );
    return of(
      "traversal",
      request(d.one("GET", "PUT", "PATCH", "DELETE"), encoded(target), [], "planted"),
      400,
      404,
      405,
    );
  },
  (d) =>
    of(
      "manifest",
      request(
        "PUT",
        `/v2/${d.one("img", "new")}/manifests/${d.one("v2", reference(d))}${query(d)}`,
        [`Content-Type: ${type(d)}`],
        json(d),
      ),
      201,
      400,
      404,
      405,
      413,
    ),
  () =>
    of(
      "manifest beyond the limit",
      request(
        "PUT",
        "/v2/img/manifests/v3",
        [`Content-Type: ${MediaType.manifest}`],
        Buffer.alloc(5 * 1024 * 1024, 32),
      ),
      413,
    ),
  (d) =>
    of(
      "wrong digest",
      request(
        "POST",
        `/v2/img/blobs/uploads/?digest=${d.one(MISSING, "x", "sha256:", `sha512:${"0".repeat(128)}`)}`,
        [],
        d.text(300),
      ),
      400,
    ),
  (d) =>
    of(
      "upload",
      request(
        d.one("GET", "PATCH", "PUT", "DELETE"),
        `/v2/img/blobs/uploads/${d.one("x", "00000000-0000-0000-0000-000000000000", safe(d.text(30)) || "y")}${query(d)}`,
        [`Content-Range: ${d.one("0-1", "5-1", "bytes 0-1/2", "-", "9".repeat(40), d.text(9, "0-9"))}`],
        "bytes",
      ),
      400,
      404,
      405,
    ),
  (d) =>
    of(
      "mount",
      request(
        "POST",
        `/v2/${d.one("img", "other")}/blobs/uploads/?mount=${d.one(THERE, MISSING)}&from=${d.one("img", "none", "", "..", "IMG", "%00")}`,
      ),
      201,
      202,
      400,
      429,
    ),
  (d) =>
    of(
      "odd method",
      request(
        d.one("OPTIONS", "TRACE", "PROPFIND", "LOCK", "PURGE", "M-SEARCH", "REPORT"),
        encoded(endpoint(d)),
      ),
      400,
      404,
      405,
    ),
  (d) => of("unknown method", request(d.one("get", "__proto__", "FOO", "GET/", "", "G\u0000T"), "/v2/"), 400),
  (d) =>
    of(
      "query",
      request(
        "GET",
        `${d.one("/v2/_catalog", "/v2/img/tags/list", `/v2/img/referrers/${THERE}`, "/", "/r/img")}${query(d)}`,
      ),
      200,
      400,
    ),
  (d) =>
    of(
      "foreign host",
      request("GET", "/v2/", [
        `Host: ${d.one("attacker.example", "localhost.attacker.example", "127.0.0.1.nip.io", "localhost@x", "a,b", "[::1", "x:y:z")}`,
      ]),
      400,
      421,
    ),
  (d) =>
    of(
      "no host",
      Buffer.from(`GET /v2/ HTTP/1.1\r\nConnection: close\r\n${d.one("", "Host:\r\n", "Host: \r\n")}\r\n`),
      400,
      421,
    ),
  () => of("two hosts", request("GET", "/v2/", ["Host: localhost", "Host: attacker.example"]), 400, 421),
  (d) =>
    of(
      "foreign page",
      request(d.one("GET", "POST", "DELETE"), encoded(endpoint(d)), [
        d.one(
          "Origin: https://attacker.example",
          "Origin: null",
          "Sec-Fetch-Site: cross-site",
          "Sec-Fetch-Site: same-site",
        ),
      ]),
      403,
    ),
  (d) =>
    of("large header", request("GET", "/v2/", [`X-Large: ${"x".repeat(16_384 + d.below(60_000))}`]), 431, 0),
  (d) => of("long target", request("GET", `/v2/${"a".repeat(d.one(300, 4000, 15_000))}/tags/list`), 400, 404),
  () => of("target beyond the limit", request("GET", `/v2/${"a/".repeat(20_000)}tags/list`), 431, 0),
  (d) =>
    of(
      "two lengths",
      request(
        "PUT",
        "/v2/img/manifests/v1",
        ["Content-Length: 4", `Content-Length: ${d.one(5, 40)}`],
        "body",
      ),
      400,
    ),
  (d) =>
    of(
      "odd length",
      request(
        "PUT",
        "/v2/img/manifests/v1",
        [`Content-Length: ${d.one("-1", "1e3", "0x10", "ten", "9".repeat(30), "+5", "4, 5")}`],
        "body",
      ),
      400,
    ),
  () =>
    of(
      "a length and a coding",
      request(
        "PUT",
        "/v2/img/manifests/v1",
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        "0\r\n\r\n",
      ),
      400,
    ),
  (d) =>
    of(
      "odd coding",
      request(
        "PUT",
        "/v2/img/manifests/v1",
        [`Transfer-Encoding: ${d.one("gzip", "chunked, identity", "xchunked", "identity")}`],
        "0\r\n\r\n",
      ),
      400,
    ),
  (d) =>
    of(
      "broken chunks",
      request(
        "POST",
        `/v2/img/blobs/uploads/?digest=${THERE}`,
        ["Transfer-Encoding: chunked"],
        d.one("zz\r\n", "5\r\nlayer", "5\r\nlayerX\r\n0\r\n\r\n", "-1\r\n", "FFFFFFFFFFFFFFFFF\r\n"),
      ),
      400,
      0,
    ),
  (d) =>
    of(
      "short body",
      request(
        ...d.one<[string, string]>(
          ["PUT", "/v2/img/manifests/v9"],
          ["POST", `/v2/img/blobs/uploads/?digest=${MISSING}`],
        ),
        ["Content-Length: 1000"],
        "layer",
      ),
      0,
      400,
    ),
  (d) =>
    of(
      "not HTTP",
      Buffer.from(
        d.one(
          "\r\n\r\n\r\n",
          "GET\r\n\r\n",
          "GET / HTTP/9.9\r\n\r\n",
          "\u0016\u0003\u0001\u0000",
          "{}",
          `${d.text(300)}\r\n\r\n`,
          "GET  /  HTTP/1.1\r\n\r\n",
        ),
      ),
      0,
      400,
      421,
      505,
    ),
  (d) =>
    of(
      "broken field",
      request("GET", "/v2/", [
        d.one("No colon", ": empty", "Sp ace: x", "X: a\u0000b", "X: a\rb", " folded: x"),
      ]),
      400,
    ),
  (d) =>
    of(
      "HTTP/1.0",
      Buffer.from(`${d.one("GET", "HEAD")} ${encoded(endpoint(d))} HTTP/1.0\r\nHost: localhost\r\n\r\n`),
      ...ANY,
    ),
  (d) =>
    of(
      "anything",
      request(
        d.one("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"),
        encoded(endpoint(d)) + query(d),
        [
          `Range: ${d.one("bytes=0-1", "bytes=9-", safe(d.text(12)))}`,
          `Content-Type: ${type(d)}`,
          `${d.one("Content-Range", "If-None-Match", "If-Range", "Accept", "Authorization", "Expect", "Upgrade")}: ${d.one("0-4", "*", `"${THERE}"`, "100-continue", safe(d.text(30)))}`,
        ],
        d.one("", "layer", json(d)),
      ),
      ...ANY,
      417,
    ),
];

/** The blob and the tag that all others lean on stay: what deletes is sent elsewhere. */
export function nextCase(d: Dice): Case {
  for (;;) {
    const made = (KINDS[d.below(KINDS.length)] as (typeof KINDS)[number])(d);
    const head = made.bytes.subarray(0, 200).toString("latin1");
    if (!(head.startsWith("DELETE") && head.includes(THERE)) && !/^DELETE \S*\/manifests\//.test(head))
      return made;
  }
}

/** As a client may send it: what is beyond ASCII encoded, what is encoded already left. */
function encoded(target: string): string {
  return encodeURI(target).replaceAll("%25", "%");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
