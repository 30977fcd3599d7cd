import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, Network, quietCall, request, requestFollowing } from "../../src/base/index.ts";
import { proxyAuthorization, proxyFor } from "../../src/base/proxy.ts";
import { openRemote } from "../../src/remote/index.ts";
import { certificate, key } from "./tls-fixture.ts";

const call = quietCall();

async function listen(server: net.Server): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const hello: http.RequestListener = (req, res) => void res.end(`hello ${req.headers.host}`);
const secure = (): Promise<{ port: number } & AsyncDisposable> =>
  listen(https.createServer({ cert: certificate, key }, hello));

async function get(url: string, network: Network): Promise<string> {
  const response = await request({ method: "GET", url: new URL(url), network }, call);
  return Buffer.from(await collect(response.body, 1000, "the answer")).toString();
}

async function certificateFile(): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-trust-"));
  const path = join(folder, "ca.pem");
  await writeFile(path, certificate);
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("TLS: an unknown authority is refused with the way out; SSL_CERT_FILE is that way", async () => {
  await using server = await secure();
  await using file = await certificateFile();
  const url = `https://localhost:${server.port}/`;
  using stranger = new Network({ env: {} });
  await assert.rejects(get(url, stranger), { code: "tls-failed", hint: /SSL_CERT_FILE/ });
  using friend = new Network({ env: { SSL_CERT_FILE: file.path } });
  assert.equal(await get(url, friend), `hello localhost:${server.port}`);
  using lost = new Network({ env: { SSL_CERT_FILE: "/no/such/file.pem" } });
  await assert.rejects(get(url, lost), { code: "tls-failed", message: /\/no\/such\/file\.pem/ });
});

test("TLS: a certificate for another name is refused", async () => {
  await using server = await secure();
  await using file = await certificateFile();
  using network = new Network({
    env: { SSL_CERT_FILE: file.path },
    lookup: (_name, options, done) => {
      if (options.all) done(null, [{ address: "127.0.0.1", family: 4 }]);
      else done(null, "127.0.0.1", 4);
    },
  });
  await assert.rejects(get(`https://forged.example:${server.port}/`, network), { code: "tls-failed" });
  assert.match(await get(`https://other.example:${server.port}/`, network), /^hello/);
});

/** A proxy that knows one user, and connects every name to this machine. */
function proxy(asked: string[]): Promise<{ port: number } & AsyncDisposable> {
  const server = http.createServer((req, res) => {
    asked.push(`${req.method} ${req.url} ${req.headers["proxy-authorization"]}`);
    res.end("by proxy");
  });
  server.on("connect", (req, socket) => {
    asked.push(`CONNECT ${req.url} ${req.headers["proxy-authorization"]}`);
    // Nobody, and "me:wrong".
    if ([undefined, "Basic bWU6d3Jvbmc="].includes(req.headers["proxy-authorization"])) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    const upstream = net.connect(Number(req.url?.split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    socket.on("error", () => upstream.destroy());
    upstream.on("error", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
  });
  return listen(server);
}

test("a proxy's password: percent-encoded, or as it is", () => {
  for (const [written, meant] of [
    ["p%40ss", "p@ss"],
    ["%C3%BCber", "über"],
    ["100%", "100%"],
    ["50%-off", "50%-off"],
  ] as const) {
    const pair = Buffer.from(`me:${meant}`).toString("base64");
    const headers = proxyAuthorization(new URL(`http://me:${written}@proxy.example`));
    assert.deepEqual(headers, { "proxy-authorization": `Basic ${pair}` }, written);
  }
});

test("a proxy: a tunnel for https, the whole URL for http, and a password where it is asked for", async () => {
  const asked: string[] = [];
  await using server = await secure();
  await using between = await proxy(asked);
  await using file = await certificateFile();
  const at = `127.0.0.1:${between.port}`;
  const user = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
  using network = new Network({
    env: { https_proxy: `http://me:p%40ss@${at}`, HTTP_PROXY: at, SSL_CERT_FILE: file.path },
  });
  const host = `registry.example:${server.port}`;
  for (let i = 0; i < 2; i++) assert.equal(await get(`https://${host}/`, network), `hello ${host}`);
  assert.equal(await get("http://plain.example/x?y", network), "by proxy");
  assert.deepEqual(asked, [`CONNECT ${host} ${user}`, "GET http://plain.example/x?y undefined"]);

  using nobody = new Network({ env: { HTTPS_PROXY: `http://${at}`, SSL_CERT_FILE: file.path } });
  await assert.rejects(get(`https://${host}/`, nobody), {
    code: "proxy-refused",
    hint: /^put user:password@ into/,
  });
  asked.length = 0;
  using wrong = new Network({ env: { HTTPS_PROXY: `http://me:wrong@${at}`, SSL_CERT_FILE: file.path } });
  const store = openRemote({ registry: host, repository: "a/b" }, { network: wrong, retry: { delay: 1 } });
  await assert.rejects(store.resolve("v1", call), {
    code: "registry-unreachable",
    hint: /^check the user and password in the proxy's URL/,
  });
  assert.equal(asked.length, 1, "what a proxy does not allow is not asked again");
  using gone = new Network({ env: { HTTPS_PROXY: "http://127.0.0.1:1", SSL_CERT_FILE: file.path } });
  await assert.rejects(get(`https://${host}/`, gone), {
    code: "connection-failed",
    message: /127\.0\.0\.1:1/,
  });
});

test("a proxy's own private address does not make the host behind it private", async () => {
  await using server = await listen(
    https.createServer({ cert: certificate, key }, (_req, res) => {
      res.writeHead(302, { location: "https://10.0.0.1/latest/meta-data" });
      res.end();
    }),
  );
  const asked: string[] = [];
  await using between = await proxy(asked);
  await using file = await certificateFile();
  using network = new Network({
    env: { HTTPS_PROXY: `http://me:x@127.0.0.1:${between.port}`, SSL_CERT_FILE: file.path },
  });
  const url = new URL(`https://registry.example:${server.port}/`);
  const work = requestFollowing({ method: "GET", url, network }, call);
  await assert.rejects(work, { code: "redirect-refused", message: /10\.0\.0\.1/ });
  assert.equal(asked.length, 1);
});

const P = "http://proxy:3128";
const routes: readonly [string, Record<string, string>, boolean][] = [
  ["https://a.example/", {}, false],
  ["https://a.example/", { HTTPS_PROXY: P }, true],
  ["https://a.example/", { https_proxy: P }, true],
  ["https://a.example/", { HTTP_PROXY: P }, false],
  ["http://a.example/", { HTTP_PROXY: P }, true],
  ["https://localhost:5000/", { HTTPS_PROXY: P }, false],
  ["http://127.0.0.1:5000/", { HTTP_PROXY: P }, false],
  ["http://[::1]:5000/", { HTTP_PROXY: P }, false],
  ["https://a.example/", { HTTPS_PROXY: P, NO_PROXY: "*" }, false],
  ["https://a.example/", { HTTPS_PROXY: P, NO_PROXY: "b.example, .example" }, false],
  ["https://a.example/", { HTTPS_PROXY: P, NO_PROXY: "a.example" }, false],
  ["https://x.a.example/", { HTTPS_PROXY: P, no_proxy: "a.example" }, false],
  ["https://xa.example/", { HTTPS_PROXY: P, NO_PROXY: "a.example" }, true],
  ["https://a.example:444/", { HTTPS_PROXY: P, NO_PROXY: "a.example:443" }, true],
  ["https://a.example/", { HTTPS_PROXY: P, NO_PROXY: "a.example:443" }, false],
  ["https://10.1.2.3/", { HTTPS_PROXY: P, NO_PROXY: "10.0.0.0/8" }, false],
  ["https://11.1.2.3/", { HTTPS_PROXY: P, NO_PROXY: "10.0.0.0/8,11.1.2.4" }, true],
  ["https://[fd00::1]/", { HTTPS_PROXY: P, NO_PROXY: "fd00::/8" }, false],
  ["https://[fd00::1]/", { HTTPS_PROXY: P, NO_PROXY: "fd00:0::0001" }, false],
  ["https://[fd00::1]/", { HTTPS_PROXY: P, NO_PROXY: "[fd00::1]:444" }, true],
  ["https://[fd00::1]:444/", { HTTPS_PROXY: P, NO_PROXY: "[fd00::1]:444" }, false],
  ["https://10.1.2.3:5000/", { HTTPS_PROXY: P, NO_PROXY: "10.1.2.3:5000" }, false],
  ["https://a.b.example/", { HTTPS_PROXY: P, NO_PROXY: "*.b.example" }, false],
  ["https://b.c.example/", { HTTPS_PROXY: P, NO_PROXY: "*.b.example" }, true],
  ["https://a.example/", { HTTPS_PROXY: P, NO_PROXY: "10.0.0.0/99,/,x/y,::/abc" }, true],
];
for (const [url, env, proxied] of routes) {
  test(`${url} with ${JSON.stringify(env)} goes ${proxied ? "by the proxy" : "directly"}`, () => {
    assert.equal(proxyFor(new URL(url), env) !== undefined, proxied);
  });
}

test("a proxy that is none is told without its password", () => {
  assert.throws(() => proxyFor(new URL("https://a.example/"), { HTTPS_PROXY: "ftp://u:secret@x" }), {
    code: "connection-failed",
    message: /^(?!.*secret).*HTTPS_PROXY/,
  });
});
