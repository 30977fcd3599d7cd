import type { Dice } from "./fuzz-socket.ts";
import { ANY, type Case, encoded, endpoint, MISSING, of, request, THERE } from "./fuzz-words.ts";

/** What is bad HTTP, or is no request of a client of ours. A row for each kind. */
export const BAD_HTTP: readonly ((d: Dice) => Case)[] = [
  (d) => of("unknown method", request(d.one("get", "__proto__", "FOO", "GET/", "", "G\u0000T"), "/v2/"), 400),
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
];
