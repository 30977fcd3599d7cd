import assert from "node:assert/strict";
import { once } from "node:events";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";
import type { TlsOptions } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  collect,
  Network,
  type OriginOptions,
  quietCall,
  request,
  requestFollowing,
  type TlsProblem,
  tlsProblem,
} from "../../src/base/index.ts";
import { authority, client, expired, server } from "./tls-authority.ts";

const call = quietCall();

interface Server extends AsyncDisposable {
  readonly origin: string;
  /** The names of the clients' certificates, one a request. */
  readonly seen: (string | undefined)[];
  /** The end of the first connection. */
  ended(): Promise<void>;
}

async function listen(tls: TlsOptions, location?: string): Promise<Server> {
  const seen: (string | undefined)[] = [];
  const listening = https.createServer(tls, (req, res) => {
    const { subject } = (req.socket as unknown as import("node:tls").TLSSocket).getPeerCertificate();
    seen.push(subject?.CN as string | undefined);
    res.writeHead(location === undefined ? 200 : 307, location === undefined ? {} : { location });
    res.end("hello");
  });
  const over = Promise.withResolvers<void>();
  listening.on("secureConnection", (socket) => socket.once("close", () => over.resolve()));
  listening.on("tlsClientError", () => {});
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return {
    origin: `https://localhost:${(listening.address() as AddressInfo).port}`,
    seen,
    ended: () => over.promise,
    async [Symbol.asyncDispose]() {
      listening.closeAllConnections();
      listening.close();
      await once(listening, "close");
    },
  };
}

async function get(url: string, network: Network): Promise<string> {
  const response = await requestFollowing({ method: "GET", url: new URL(url), network }, call);
  return Buffer.from(await collect(response.body, 1000, "the answer")).toString();
}

function knowing(network: Network, own: OriginOptions): Network {
  return network.knowing(own);
}

test("an origin's own authority is trusted for it, and where it leads; nowhere else", async () => {
  await using store = await listen(server);
  await using registry = await listen(server, `${store.origin}/blob`);
  using network = new Network({ env: {} });
  const { origin } = registry;
  const view = knowing(network, { origin, ca: [authority] });
  assert.equal(await get(origin, view), "hello");
  await assert.rejects(get(origin, network), { code: "tls-failed" });
});

test("a client certificate is shown to its origin alone", async () => {
  const asks = { ...server, ca: authority, requestCert: true, rejectUnauthorized: false };
  await using store = await listen(asks);
  await using registry = await listen(asks, `${store.origin}/blob`);
  using network = new Network({ env: {} });
  const { origin } = registry;
  assert.equal(await get(origin, knowing(network, { origin, ca: [authority], client: [client] })), "hello");
  assert.deepEqual([registry.seen, store.seen], [["someone"], [undefined]]);
});

test("whose certificate is not checked is one origin", async () => {
  await using store = await listen(server);
  await using registry = await listen(expired, `${store.origin}/blob`);
  await using alone = await listen(expired);
  using network = new Network({ env: {} });
  const { origin } = alone;
  assert.equal(await get(origin, knowing(network, { origin, skipVerify: true })), "hello");
  const leading = knowing(network, { origin: registry.origin, skipVerify: true });
  await assert.rejects(get(registry.origin, leading), { code: "tls-failed" });
  assert.deepEqual(store.seen, []);
});

test("of a view that nobody has any more nothing stays; its open connections end with the network's", async () => {
  await using store = await listen(server);
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const network = new Network({ env: {} });
  const { origin } = store;
  const agents = Array.from({ length: 3 }, () => {
    const { connection } = knowing(network, { origin, ca: [authority] }).route(new URL(origin), false);
    return new WeakRef(connection.agent as object);
  });
  const used = knowing(network, { origin, ca: [authority] });
  assert.equal(await get(origin, used), "hello");
  for (let tries = 0; tries < 20 && agents.some((agent) => agent.deref() !== undefined); tries++) {
    await new Promise((next) => setImmediate(next));
    collectGarbage();
  }
  assert.deepEqual(
    agents.map((agent) => agent.deref()),
    [undefined, undefined, undefined],
  );
  const ended = store.ended();
  network[Symbol.dispose]();
  await ended;
});

const failures: readonly [
  TlsProblem,
  TlsOptions,
  Partial<OriginOptions>,
  (origin: string) => string,
  RegExp,
][] = [
  ["unknown-authority", server, {}, (o) => o, /SSL_CERT_FILE/],
  ["expired", expired, { ca: [authority] }, (o) => o, /renewed/],
  ["wrong-purpose", client, { ca: [authority] }, (o) => o, /serverAuth/],
  [
    "wrong-name",
    server,
    { ca: [authority] },
    (o) => o.replace("localhost", "other.localhost"),
    /name that the certificate has/,
  ],
];
for (const [problem, tls, own, at, hint] of failures) {
  test(`TLS: ${problem} is told as such`, async () => {
    await using far = await listen(tls);
    using network = new Network({
      env: {},
      lookup: (_name, options, done) => {
        if (options.all) done(null, [{ address: "127.0.0.1", family: 4 }]);
        else done(null, "127.0.0.1", 4);
      },
    });
    const origin = at(far.origin);
    const failed = request(
      { method: "GET", url: new URL(origin), network: knowing(network, { origin, ...own }) },
      call,
    );
    await assert.rejects(failed, (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "tls-failed");
      assert.equal(tlsProblem(error), problem);
      assert.match(error.hint ?? "", hint);
      return true;
    });
  });
}

test("what a server's alerts mean", () => {
  const cases: readonly [string, TlsProblem | undefined][] = [
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "client-certificate-wanted"],
    ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "client-certificate-wanted"],
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "client-certificate-refused"],
    ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "client-certificate-refused"],
    ["ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE", "client-certificate-refused"],
    ["ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", "client-certificate-refused"],
    ["CERT_NOT_YET_VALID", "not-yet-valid"],
    ["ECONNRESET", undefined],
  ];
  for (const [code, problem] of cases) {
    assert.equal(tlsProblem(new Error("outer", { cause: Object.assign(new Error("x"), { code }) })), problem);
  }
});

test("a certificate without its key is an error of its own", async () => {
  await using far = await listen(server);
  using network = new Network({ env: {} });
  const { origin } = far;
  const broken = knowing(network, { origin, client: [{ cert: client.cert, key: server.key }] });
  await assert.rejects(get(origin, broken), { code: "tls-failed", message: /cannot use the certificates/ });
});

test("a connection that is not made in time is given up", async () => {
  const sockets = new Set<net.Socket>();
  const silent = net.createServer((socket) => void sockets.add(socket.on("error", () => {})));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  using network = new Network({ env: {} });
  const origin = `https://localhost:${(silent.address() as AddressInfo).port}`;
  const view = knowing(network, { origin, connectTimeout: 20 });
  await assert.rejects(get(origin, view), { code: "connection-failed", message: /within 0\.02 s/ });
  for (const socket of sockets) socket.destroy();
  silent.close();
});
