import { MediaType } from "../../src/oci/index.ts";
import { BAD_HTTP } from "./fuzz-http.ts";
import type { Dice } from "./fuzz-socket.ts";
import {
  ANY,
  type Case,
  CLIMBS,
  decoded,
  encoded,
  endpoint,
  json,
  MISSING,
  of,
  query,
  reference,
  request,
  safe,
  THERE,
  type,
} from "./fuzz-words.ts";

/** What is good HTTP, and asks for odd things. A row for each kind. */
const ODD: readonly ((d: Dice) => Case)[] = [
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
      d.one("", ...CLIMBS),
    );
    const tail = d.one("tags/list", "manifests/v1", `blobs/${THERE}`, "blobs/uploads/");
    const method = tail.endsWith("/") ? "POST" : "GET";
    return of(`bad name ${bad}`, request(method, `/v2/${encodeURI(decoded(bad))}/${tail}`), 400, 404);
  },
  (d) => {
    const climb = Array.from({ length: 1 + d.below(6) }, () => d.one("", ...CLIMBS)).join("/");
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

const KINDS = [...ODD, ...BAD_HTTP];

/** The blob and the tag that all others lean on stay: what deletes is sent elsewhere. */
export function nextCase(d: Dice): Case {
  for (;;) {
    const made = (KINDS[d.below(KINDS.length)] as (typeof KINDS)[number])(d);
    const head = made.bytes.subarray(0, 200).toString("latin1");
    if (!(head.startsWith("DELETE") && head.includes(THERE)) && !/^DELETE \S*\/manifests\//.test(head))
      return made;
  }
}
