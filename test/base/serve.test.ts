import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  BaseError,
  type HttpHandler,
  type HttpRequest,
  type ServeOptions,
  serve,
} from "../../src/base/index.ts";
import { certificate, key } from "./tls-fixture.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One exchange with a fresh server. */
async function ask(
  handler: HttpHandler,
  request: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Buffer },
  options: Partial<ServeOptions> = {},
): Promise<Answer> {
  await using server = await serve(handler, { host: "127.0.0.1", port: 0, ...options });
  return await send(server.port, request);
}

async function send(
  port: number,
  request: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Buffer },
): Promise<Answer> {
  const sent = httpRequest({ host: "127.0.0.1", port, agent: false, ...request });
  sent.end(request.body);
  const [response] = await once(sent, "response");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

async function textOf(request: HttpRequest): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of request.body) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

const hello: HttpHandler = async () => ({ status: 200, headers: {}, body: Buffer.from("hello") });

test("a handler sees the method, raw path, query, joined headers and body, and its answer arrives", async () => {
  const answer = await ask(
    async (request) => ({
      status: 201,
      headers: { "content-type": "text/plain", "x-seen": `${request.method} ${request.path}` },
      body: Buffer.from(`${request.query.get("q")} ${request.headers.get("x-a")} ${await textOf(request)}`),
    }),
    { method: "POST", path: "/a%2Fb/c?q=1%202", headers: { "X-A": "one" }, body: "the body" },
  );
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["x-seen"], "POST /a%2Fb/c");
  assert.equal(answer.text, "1 2 one the body");
  assert.equal(answer.headers["content-length"], String(answer.text.length));
});

/** What a browser sends when a person follows a link. */
const LINK = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

for (const [name, headers, options, status] of [
  ["a loopback name", { host: "localhost:5001" }, {}, 200],
  ["a name below localhost", { host: "registry.localhost:80" }, {}, 200],
  ["the loopback address", { host: "127.0.0.1" }, {}, 200],
  ["the IPv6 loopback address", { host: "[::1]:5000" }, {}, 200],
  ["an allowed name", { host: "registry.example:5001" }, { allowHosts: ["registry.example"] }, 200],
  ["a rebound name", { host: "attacker.example:5001" }, {}, 421],
  ["a name that only begins as ours", { host: "localhost.attacker.example" }, {}, 421],
  ["a name that looks like an address", { host: "127.0.0.1.attacker.example" }, {}, 421],
  ["user information", { host: "localhost@attacker.example" }, {}, 421],
  ["our own page", { host: "localhost:1", origin: "http://localhost:1" }, {}, 200],
  ["a foreign page", { host: "localhost:1", origin: "https://attacker.example" }, {}, 403],
  ["another port's page", { host: "localhost:1", origin: "http://localhost:2" }, {}, 403],
  ["a page without an origin", { host: "localhost:1", origin: "null" }, {}, 403],
  [
    "an allowed page",
    { host: "localhost:1", origin: "https://a.example", "sec-fetch-site": "cross-site" },
    { allowOrigins: ["https://a.example"] },
    200,
  ],
  ["a cross-site image", { host: "localhost:1", "sec-fetch-site": "cross-site" }, {}, 403],
  ["another port, said same-site", { host: "localhost:1", "sec-fetch-site": "same-site" }, {}, 403],
  ["our own page's fetch", { host: "localhost:1", "sec-fetch-site": "same-origin" }, {}, 200],
  ["a link on another site", { host: "localhost:1", ...LINK }, {}, 403],
  ["a link on another site, where they may", { host: "localhost:1", ...LINK }, { linked: true }, 200],
  ["such a link by a wrong name", { host: "attacker.example", ...LINK }, { linked: true }, 421],
  ["a frame", { host: "localhost:1", ...LINK, "sec-fetch-dest": "iframe" }, { linked: true }, 403],
  ["a foreign form", { host: "localhost:1", ...LINK, origin: "https://a.example" }, { linked: true }, 403],
  ["a foreign fetch", { host: "localhost:1", ...LINK, "sec-fetch-mode": "cors" }, { linked: true }, 403],
  ["the address bar", { host: "localhost:1", "sec-fetch-site": "none" }, {}, 200],
] as const) {
  test(`admission: ${name} is answered ${status}`, async () => {
    let called = false;
    const handler: HttpHandler = async (request) => {
      called = true;
      return hello(request);
    };
    const answer = await ask(handler, { headers }, options);
    assert.equal(answer.status, status);
    assert.equal(called, status === 200);
    if (status !== 200) assert.match(JSON.parse(answer.text).code, /^(host|origin)-refused$/);
  });
}

test("a link is to look, not to change something: a POST by navigation is refused", async () => {
  const answer = await ask(
    hello,
    { method: "POST", headers: { host: "localhost:1", ...LINK } },
    { linked: true },
  );
  assert.equal(answer.status, 403);
});

test("`around` sees every exchange: what is answered, refused, and thrown", async () => {
  const seen: unknown[] = [];
  const around: ServeOptions["around"] = async (request, next) => {
    const answer = await next(request);
    seen.push([request.method, request.path, request.address, answer.status]);
    return { ...answer, headers: { ...answer.headers, "x-around": "1" } };
  };
  const failing: HttpHandler = () => Promise.reject(new Error("x"));
  assert.equal((await ask(hello, { path: "/a" }, { around })).headers["x-around"], "1");
  await ask(hello, { path: "/b", headers: { host: "attacker.example" } }, { around });
  await ask(failing, { method: "PUT", path: "/c" }, { around });
  assert.deepEqual(seen, [
    ["GET", "/a", "127.0.0.1", 200],
    ["GET", "/b", "127.0.0.1", 421],
    ["PUT", "/c", "127.0.0.1", 500],
  ]);
});

test("a target in absolute form cannot smuggle another host past the check", async () => {
  const answer = await ask(hello, { path: "http://attacker.example/x", headers: { host: "localhost" } });
  assert.equal(answer.status, 421);
  assert.equal((await ask(hello, { path: "http://localhost/x" })).status, 200);
});

test("what a handler throws becomes a 500 without its text, and is told to the server's owner", async () => {
  const told: unknown[] = [];
  const failure = new Error("secret /home/me/key");
  const answer = await ask(
    () => Promise.reject(failure),
    {},
    { onError: (error, request) => told.push(error, request.path) },
  );
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /secret|home|at /);
  assert.deepEqual(told, [failure, "/"]);
});

test("an answer that breaks in the middle cuts the connection instead of looking whole", async () => {
  const broken: HttpHandler = async () => ({
    status: 200,
    headers: {},
    body: (async function* () {
      yield Buffer.from("half");
      throw new Error("disk gone");
    })(),
  });
  await assert.rejects(ask(broken, {}));
  const short: HttpHandler = async () => ({
    status: 200,
    headers: { "content-length": "10" },
    body: (async function* () {
      yield Buffer.from("half");
    })(),
  });
  await assert.rejects(ask(short, {}));
});

test("HEAD keeps the length, sends no body, and frees the body's source", async () => {
  const answer = await ask(
    async () => ({
      status: 200,
      headers: { "content-length": "1000" },
      body: (async function* () {
        yield Buffer.from("never");
        assert.fail("the body of a HEAD was read");
      })(),
    }),
    { method: "HEAD" },
  );
  assert.equal(answer.headers["content-length"], "1000");
  assert.equal(answer.text, "");
});

test("no length is made up where the body is elsewhere: 304, 204, and HEAD of a stream", async () => {
  for (const [method, status] of [
    ["GET", 304],
    ["GET", 204],
    ["HEAD", 200],
  ] as const) {
    const answer = await ask(async () => ({ status, headers: {} }), { method });
    assert.equal(answer.headers["content-length"], undefined, `${method} ${status}`);
  }
  const counted = await ask(async () => ({ status: 200, headers: {}, body: Buffer.from("four") }), {
    method: "HEAD",
  });
  assert.equal(counted.headers["content-length"], "4");
});

for (const tls of [undefined, { cert: certificate, key }]) {
  test(`an answer from one buffer, used again and again, arrives whole${tls ? " by HTTPS" : ""}`, async () => {
    const size = 400_000;
    const handler: HttpHandler = async () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        const buffer = Buffer.alloc(size);
        for (let i = 0; i < 40; i++) yield buffer.fill(i);
      })(),
    });
    await using server = await serve(handler, { host: "127.0.0.1", port: 0, ...(tls ? { tls } : {}) });
    const send = tls ? httpsRequest : httpRequest;
    const sent = send(server.url, { ...(tls ? { ca: certificate } : {}), agent: false });
    sent.end();
    const [response] = await once(sent, "response");
    let at = 0;
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      for (const byte of chunk) if (byte !== Math.floor(at++ / size)) assert.fail(`byte ${at} is ${byte}`);
      // A slow client: what was written waits in the server's and the system's queues.
      await nextTurn();
    }
    assert.equal(at, 40 * size);
  });
}

test("back-pressure: the source of an answer is asked for no more than the client takes", async () => {
  let sent = 0;
  const size = 1024 * 1024;
  await using server = await serve(
    async (request) => ({
      status: 200,
      headers: {},
      body: (async function* () {
        for (let i = 0; i < 512 && !request.signal.aborted; i++) {
          sent += size;
          yield Buffer.alloc(size);
        }
      })(),
    }),
    { host: "127.0.0.1", port: 0 },
  );
  const socket = connect(server.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "readable");
  // Once two further requests have been answered, the first had every chance to run ahead.
  for (let i = 0; i < 2; i++) await send(server.port, { method: "HEAD" });
  assert.ok(sent < 100 * size, `${sent} bytes were produced for a client that reads none`);
  socket.destroy();
});

test("the handler's signal is aborted when the client goes away", async () => {
  const aborted = deferred<unknown>();
  const started = deferred<void>();
  await using server = await serve(
    async (request) => {
      request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason));
      started.resolve();
      await aborted.promise;
      return { status: 200, headers: {} };
    },
    { host: "127.0.0.1", port: 0 },
  );
  const socket = connect(server.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await started.promise;
  socket.destroy();
  const reason = await aborted.promise;
  assert.ok(reason instanceof BaseError && reason.code === "aborted");
});

for (const method of ["GET", "HEAD", "DELETE"]) {
  test(`an answer to who went away before it ends all the same: ${method} without a body`, async () => {
    const asked = deferred<void>();
    const server = await serve(
      async ({ signal }) => {
        asked.resolve();
        if (!signal.aborted) await once(signal, "abort");
        return { status: 200, headers: {} };
      },
      { host: "127.0.0.1", port: 0 },
    );
    const socket = connect(server.port, "127.0.0.1");
    socket.write(`${method} / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    await asked.promise;
    socket.destroy();
    await server[Symbol.asyncDispose]();
  });
}

test("a body that is cut is an error for the handler, not a short body", async () => {
  const seen = deferred<unknown>();
  await using server = await serve(
    async (request) => {
      seen.resolve(await textOf(request).catch((error: unknown) => error));
      return { status: 200, headers: {} };
    },
    { host: "127.0.0.1", port: 0 },
  );
  const socket = connect(server.port, "127.0.0.1");
  socket.write("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf", () => socket.destroy());
  assert.ok((await seen.promise) instanceof Error);
});

test("100 Continue is sent when the body is asked for, and not to an upload that is refused", async () => {
  const headers = { expect: "100-continue", "content-length": "4" };
  for (const [handler, wanted] of [
    [
      async (request: HttpRequest) => ({
        status: 201,
        headers: {},
        body: Buffer.from(await textOf(request)),
      }),
      true,
    ],
    [async () => ({ status: 403, headers: {} }), false],
  ] as const) {
    await using server = await serve(handler, { host: "127.0.0.1", port: 0 });
    const sent = httpRequest({ host: "127.0.0.1", port: server.port, method: "PUT", headers, agent: false });
    let continued = false;
    sent.on("continue", () => {
      continued = true;
      sent.end("body");
    });
    sent.flushHeaders();
    const [response] = await once(sent, "response");
    response.resume();
    assert.equal(continued, wanted);
    assert.equal(response.statusCode, wanted ? 201 : 403);
    sent.destroy();
  }
});

test("a refusal reaches a client that is still sending", async () => {
  const answer = await ask(async () => ({ status: 403, headers: {}, body: Buffer.from("no") }), {
    method: "PUT",
    body: Buffer.alloc(4 * 1024 * 1024),
  });
  assert.equal(answer.text, "no");
});

test("a client that stalls in the middle of a body is cut after the idle timeout", async () => {
  const seen = deferred<unknown>();
  await using server = await serve(
    async (request) => {
      seen.resolve(await textOf(request).catch((error: unknown) => error));
      return { status: 200, headers: {} };
    },
    { host: "127.0.0.1", port: 0, idleTimeout: 50 },
  );
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
  assert.ok((await seen.promise) instanceof Error);
  socket.destroy();
});

for (const [what, bytes, status] of [
  ["bytes that are no HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", 400],
  [
    "a length and a transfer coding",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["two hosts", "GET / HTTP/1.1\r\nHost: attacker.example\r\nHost: localhost\r\n\r\n", 421],
  ["no host", "GET / HTTP/1.0\r\n\r\n", 421],
  ["a header beyond 16 KiB", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(17_000)}\r\n\r\n`, 431],
] as const) {
  test(`on the wire: ${what} is answered ${status}, and the server goes on`, async () => {
    await using server = await serve(hello, { host: "127.0.0.1", port: 0 });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
    const [first] = await once(socket, "data");
    socket.destroy();
    assert.match(String(first), new RegExp(`^HTTP/1.1 ${status} `));
    assert.equal((await send(server.port, {})).text, "hello");
  });
}

test("a connection that never completes its headers is ended", async () => {
  await using server = await serve(hello, { host: "127.0.0.1", port: 0, headersTimeout: 50 });
  for (const beginning of ["", "GET / HTTP/1.1\r\nHost: loc"]) {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(beginning);
    socket.resume();
    await once(socket, "close");
  }
});

test("a refused small body leaves the connection for the next request", async () => {
  await using server = await serve(async () => ({ status: 400, headers: {} }), {
    host: "127.0.0.1",
    port: 0,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  for (let i = 0; i < 3; i++) {
    const sent = httpRequest({ host: "127.0.0.1", port: server.port, method: "PUT", agent });
    sent.end(Buffer.alloc(30_000));
    const [response] = await once(sent, "response");
    ports.add(response.socket.localPort);
    await once(response.resume(), "end");
  }
  agent.destroy();
  assert.equal(ports.size, 1);
});

test("HTTPS with a certificate of one's own", async () => {
  await using server = await serve(hello, { host: "127.0.0.1", port: 0, tls: { cert: certificate, key } });
  assert.match(server.url, /^https:/);
  const headers = { origin: server.url };
  const sent = httpsRequest(server.url, { ca: certificate, agent: false, headers });
  sent.end();
  const [response] = await once(sent, "response");
  assert.equal(response.statusCode, 200);
  await once(response.resume(), "end");
});

test("a port in use: the error names the port, who holds it, and the flag", async () => {
  await using first = await serve(hello, { host: "127.0.0.1", port: 0 });
  await assert.rejects(serve(hello, { host: "127.0.0.1", port: first.port, flag: "--listen" }), (error) => {
    assert.ok(error instanceof BaseError);
    assert.equal(error.code, "port-in-use");
    assert.match(error.message, new RegExp(String(first.port)));
    if (process.platform === "linux") assert.match(error.message, new RegExp(`process ${process.pid}`));
    assert.match(error.hint ?? "", /--listen/);
    return true;
  });
});

test("an address that is not this machine's is the coded error listen-failed", async () => {
  await assert.rejects(serve(hello, { host: "192.0.2.1", port: 0 }), { code: "listen-failed" });
});

test("dispose lets an answer on its way finish, then refuses connections", async () => {
  const started = deferred<void>();
  const release = deferred<void>();
  const server = await serve(
    async () => {
      started.resolve();
      await release.promise;
      return { status: 200, headers: {}, body: Buffer.from("whole") };
    },
    { host: "127.0.0.1", port: 0 },
  );
  const answer = send(server.port, {});
  await started.promise;
  const disposed = server[Symbol.asyncDispose]();
  release.resolve();
  assert.equal((await answer).text, "whole");
  await disposed;
  await assert.rejects(send(server.port, {}), { code: "ECONNREFUSED" });
});

test("dispose cuts what outlasts its grace, and waits for the handler to put its things in order", async () => {
  const started = deferred<void>();
  let tidy = false;
  const server = await serve(
    async (request) => {
      started.resolve();
      await once(request.signal, "abort");
      tidy = true;
      return { status: 200, headers: {} };
    },
    { host: "127.0.0.1", port: 0, grace: 0 },
  );
  const answer = assert.rejects(send(server.port, {}));
  await started.promise;
  await server[Symbol.asyncDispose]();
  assert.ok(tidy);
  await answer;
});
