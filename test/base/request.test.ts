import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  collect,
  discard,
  ImgvolError,
  Network,
  quietCall,
  type RequestOptions,
  type Response,
  request,
  requestFollowing,
} from "../../src/base/index.ts";

const call = quietCall();

interface Server extends AsyncDisposable {
  readonly port: number;
  url(path?: string, host?: string): URL;
}

/** A server on a free port: HTTP by a listener, or a raw socket's behaviour. */
async function serve(
  how: http.RequestListener | { raw: (socket: net.Socket) => void },
  address = "127.0.0.1",
): Promise<Server> {
  const server = typeof how === "function" ? http.createServer(how) : net.createServer(how.raw);
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: (path = "/", host = address) => new URL(`http://${host}:${port}${path}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const text = async (response: Response): Promise<string> =>
  Buffer.from(await collect(response.body, 1 << 24, "the answer")).toString();

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it succeeded"),
    (e: unknown) => e,
  );
  assert.ok(error instanceof ImgvolError, String(error));
  return error.code;
}

async function ask(options: RequestOptions): Promise<{ status: number; text: string }> {
  const response = await request(options, call);
  return { status: response.status, text: await text(response) };
}

test("a body streams up, an answer streams down, and the connection is used again", async () => {
  const ports = new Set<number>();
  await using server = await serve((req, res) => {
    ports.add(req.socket.remotePort ?? 0);
    res.setHeader("x-twice", ["a", "b"]);
    req.pipe(res);
  });
  using network = new Network({ env: {} });
  for (let i = 0; i < 3; i++) {
    // One buffer for all chunks: allowed, so it must be on its way before the next is asked for.
    const buffer = Buffer.alloc(300_000);
    const body = (async function* () {
      for (let k = 0; k < 8; k++) yield buffer.fill(48 + k);
    })();
    const response = await request({ method: "PUT", url: server.url(), body, network }, call);
    assert.equal(response.headers.get("x-twice"), "a, b");
    const expected = [..."01234567"].map((c) => c.repeat(300_000)).join("");
    assert.equal((await text(response)) === expected, true);
  }
  assert.equal(ports.size, 1);
});

test("an answer of refusal ends the sending, and closes the source", async () => {
  await using server = await serve((_req, res) => {
    res.writeHead(413, { connection: "close" });
    res.end("too much");
  });
  using network = new Network({ env: {} });
  let closed = false;
  const body = (async function* () {
    try {
      for (;;) yield Buffer.alloc(100_000);
    } finally {
      closed = true;
    }
  })();
  const response = await request({ method: "POST", url: server.url(), body, network }, call);
  assert.equal(response.status, 413);
  assert.equal(closed, true);
  await discard(response);
});

test("an early refusal without a body frees its connection for the next request", async () => {
  await using server = await serve({
    raw: (socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        socket.resume();
      });
    },
  });
  using network = new Network({ env: {} });
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield Buffer.alloc(1000);
      await nextTurn();
    }
  };
  // More than there may be connections to one host: were they kept, the last ones would wait for ever.
  const signal = AbortSignal.timeout(10_000);
  for (let i = 0; i < 20; i++) {
    const options = { method: "PATCH", url: server.url(), body: endless(), network };
    const response = await request(options, { signal });
    await discard(response);
    assert.equal(response.status, 404);
  }
});

test("a server that says yes and goes before it has all: told at once, though the source is still thinking", async () => {
  await using server = await serve({
    raw: (socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")),
  });
  using network = new Network({ env: {} });
  let asked = 0;
  const thinking: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () =>
        asked++ === 0 ? { done: false, value: Buffer.alloc(10) } : await new Promise<never>(() => {}),
    }),
  };
  const options = { method: "PATCH", url: server.url(), body: thinking, network };
  await assert.rejects(request(options, call), { code: "connection-failed", message: /taken everything/ });
});

test("a yes that comes early counts once all was sent", async () => {
  const got: Buffer[] = [];
  await using server = await serve({
    raw: (socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"));
      socket.on("data", (chunk) => void got.push(chunk));
    },
  });
  using network = new Network({ env: {} });
  const body = (async function* () {
    for (let i = 0; i < 20; i++) {
      yield Buffer.alloc(1000, 97);
      await nextTurn();
    }
  })();
  const headers = { "content-length": "20000" };
  const options = { method: "PUT", url: server.url(), headers, body, network };
  assert.equal((await ask(options)).text, "ok");
  assert.match(Buffer.concat(got).toString(), /\r\n\r\na{20000}$/);
});

test("an error of the source is thrown as it is, and closes the connection", async () => {
  let cut = 0;
  await using server = await serve((req) => {
    req.resume();
    req.on("close", () => cut++);
  });
  using network = new Network({ env: {} });
  const own = new Error("the disk broke");
  const body = (async function* () {
    yield Buffer.from("a");
    throw own;
  })();
  await assert.rejects(request({ method: "POST", url: server.url(), body, network }, call), (e) => e === own);
});

const broken: Record<string, { raw: (socket: net.Socket) => void; code: string; idle?: number }> = {
  "a body shorter than its length": {
    raw: (s) => s.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
    code: "connection-failed",
  },
  "a chunked body cut": {
    raw: (s) => s.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"),
    code: "connection-failed",
  },
  "no answer at all": { raw: (s) => s.end(), code: "connection-failed" },
  "not HTTP": { raw: (s) => s.end("SSH-2.0-OpenSSH_9\r\n\r\n"), code: "connection-failed" },
  "headers without an end": {
    raw: (s) => s.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}`),
    code: "too-large",
  },
  "an answer that never comes": { raw: () => {}, code: "timeout", idle: 60 },
  "a body that stops": {
    raw: (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
    code: "timeout",
    idle: 60,
  },
  "a body that drips for ever": {
    raw: (s) => {
      s.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
      const drip = setInterval(() => s.write("x"), 5);
      s.on("close", () => clearInterval(drip));
    },
    code: "timeout",
    idle: 100,
  },
  "an answer that comes twice": {
    raw: (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na".repeat(2)),
    code: "none",
  },
  "headers that trickle for ever": {
    raw: (s) => {
      const drip = setInterval(() => s.write("x"), 10);
      s.on("close", () => clearInterval(drip));
      s.write("HTTP/1.1 200 OK\r\nx: ");
    },
    code: "timeout",
    idle: 100,
  },
};

for (const [name, { raw, code, idle }] of Object.entries(broken)) {
  test(`broken peer: ${name} is ${code}`, async () => {
    await using server = await serve({ raw: (socket) => socket.once("data", () => raw(socket)) });
    using network = new Network({ env: {} });
    const asked = ask({ method: "GET", url: server.url(), network, idleTimeout: idle });
    if (code === "none") assert.equal((await asked).text, "a");
    else assert.equal(await codeOf(asked), code);
  });
}

test("nobody listening, and names that do not exist, are named", async () => {
  const server = await serve(() => {});
  const url = server.url();
  await server[Symbol.asyncDispose]();
  using network = new Network({ env: {} });
  await assert.rejects(request({ method: "GET", url, network }, call), {
    code: "connection-failed",
    message: `nothing listens at ${url.host}`,
  });
  const unknown = new URL("http://no-such-host.invalid/");
  assert.equal(await codeOf(request({ method: "GET", url: unknown, network }, call)), "connection-failed");
});

test("a plain answer to TLS is recognised", async () => {
  await using server = await serve((_req, res) => void res.end());
  using network = new Network({ env: {} });
  const url = new URL(`https://127.0.0.1:${server.port}/`);
  await assert.rejects(request({ method: "GET", url, network }, call), {
    code: "tls-failed",
    message: /speaks plain HTTP/,
  });
});

test("aborting ends the wait for an answer, and the reading of a body", async () => {
  let gone = 0;
  await using server = await serve((req, res) => {
    req.socket.on("close", () => gone++);
    if (req.url === "/body") res.write("begin");
  });
  using network = new Network({ env: {} });
  const reason = new Error("enough");
  const first = new AbortController();
  const waiting = request({ method: "GET", url: server.url("/"), network }, { signal: first.signal });
  setImmediate(() => first.abort(reason));
  await assert.rejects(waiting, (e) => e === reason);

  const second = new AbortController();
  const response = await request(
    { method: "GET", url: server.url("/body"), network },
    { signal: second.signal },
  );
  await assert.rejects(
    async () => {
      for await (const _ of response.body) second.abort(reason);
    },
    (e) => e === reason,
  );
  const before = AbortSignal.abort(reason);
  await assert.rejects(
    request({ method: "GET", url: server.url(), network }, { signal: before }),
    (e) => e === reason,
  );
});

test("the wait for a slow reader, or a slow source, is no idle time", async () => {
  await using server = await serve((req, res) => void req.pipe(res));
  using network = new Network({ env: {} });
  const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 600));
  const body = (async function* () {
    yield Buffer.from("a");
    await later();
    yield Buffer.from("b");
  })();
  const options = { method: "POST", url: server.url(), network, body, idleTimeout: 400 };
  const response = await request(options, call);
  let got = "";
  for await (const chunk of response.body) {
    got += Buffer.from(chunk).toString();
    await later();
  }
  assert.equal(got, "ab");
});

test("a kept connection that the peer closed meanwhile is replaced without an error", async () => {
  let asked = 0;
  await using server = await serve({
    raw: (socket) => {
      let first = true;
      socket.on("data", () => {
        asked++;
        if (first) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        else socket.destroy();
        first = false;
      });
    },
  });
  using network = new Network({ env: {} });
  for (let i = 0; i < 3; i++) {
    assert.equal((await ask({ method: "GET", url: server.url(), network })).text, "ok");
  }
  assert.equal(asked, 5);
});

// --- redirects

const secret = { authorization: "Basic c2VjcmV0", accept: "text/plain", "x-token": "secret" };

test("redirects on one origin keep the credentials; elsewhere they do not go", async () => {
  const seen: Record<string, unknown>[] = [];
  await using other = await serve((req, res) => {
    seen.push(req.headers);
    res.writeHead(302, { location: home.url("/end").href });
    res.end();
  });
  await using home = await serve((req, res) => {
    seen.push(req.headers);
    const to: Record<string, string> = { "/": "/next", "/next": other.url().href };
    const location = to[req.url ?? ""];
    if (location !== undefined) res.writeHead(307, { location });
    res.end("done");
  });
  using network = new Network({ env: {} });
  const response = await requestFollowing({ method: "GET", url: home.url(), headers: secret, network }, call);
  assert.equal(await text(response), "done");
  assert.equal(response.url.href, home.url("/end").href);
  assert.deepEqual(
    seen.map((h) => [h["authorization"], h["x-token"], h["accept"]]),
    [
      ["Basic c2VjcmV0", "secret", "text/plain"],
      ["Basic c2VjcmV0", "secret", "text/plain"],
      [undefined, undefined, "text/plain"],
      // Back at home, but by a stranger's word.
      [undefined, undefined, "text/plain"],
    ],
  );
});

test("a redirect from a public host to a private address is refused, by address and by name", async () => {
  let reached = 0;
  await using inside = await serve((_req, res) => {
    reached++;
    res.end("secret");
  });
  const targets = [inside.url("/"), inside.url("/", "metadata.example"), inside.url("/", "[::ffff:7f00:1]")];
  for (const target of targets) {
    await using outside = await serve((_req, res) => {
      res.writeHead(302, { location: target.href });
      res.end();
    }, "127.0.0.2");
    // 127.0.0.2 plays the public internet.
    using network = new Network({
      env: {},
      isPrivate: (address) => address !== "127.0.0.2",
      lookup: (name, options, done) => {
        const address = name === "public.example" ? "127.0.0.2" : "127.0.0.1";
        if (options.all) done(null, [{ address, family: 4 }]);
        else done(null, address, 4);
      },
    });
    const url = outside.url("/", "public.example");
    const code = await codeOf(requestFollowing({ method: "GET", url, network }, call));
    assert.equal(code, "redirect-refused", target.href);
    // What is inside may send elsewhere inside: a private registry with its private blob store.
    const own = await request({ method: "GET", url: inside.url("/", "private.example"), network }, call);
    await discard(own);
  }
  assert.equal(reached, targets.length);
});

const refusals: Record<string, string> = {
  "a circle": "/",
  "another scheme": "file:///etc/passwd",
  "not a URL": "http://[",
};
for (const [name, location] of Object.entries(refusals)) {
  test(`redirect refused: ${name}`, async () => {
    await using server = await serve((_req, res) => {
      res.writeHead(302, { location });
      res.end();
    });
    using network = new Network({ env: {} });
    const code = await codeOf(requestFollowing({ method: "GET", url: server.url(), network }, call));
    assert.equal(code, "redirect-refused");
  });
}
