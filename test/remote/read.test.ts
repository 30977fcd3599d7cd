import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { collect, quietCall, silent } from "../../src/base/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { codeOf, someBytes } from "../contract/store.ts";
import { type Behaviour, peer, refuse, reply, type Seen } from "./peer.ts";

const call = quietCall();
const bytes = someBytes(100_000);
const d = { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };
const read = (store: Store, from?: number): Promise<Uint8Array> =>
  collect(store.read(d, call, from), 1 << 24, "it");

/** Where a Range asks to begin; undefined without one. */
function rangeOf(seen: Seen): number | undefined {
  const start = /^bytes=(\d+)-\d+$/.exec(seen.headers.range ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Behaves once as each of the list, then as a good registry. */
function atFirst(...first: Behaviour[]): Behaviour {
  let n = 0;
  return (seen, response, socket) => {
    const wrong = first[n++];
    if (wrong !== undefined) return wrong(seen, response, socket);
    const from = rangeOf(seen);
    if (from === undefined) return reply(response, 200, { "content-length": `${bytes.length}` }, bytes);
    const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
    reply(response, 206, { "content-range": range }, bytes.subarray(from));
  };
}

/** Sends so many bytes of the content, then cuts the connection. */
const cutAfter =
  (n: number): Behaviour =>
  (seen, response, socket) => {
    const from = rangeOf(seen) ?? 0;
    if (from > 0) response.setHeader("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from });
    response.write(bytes.subarray(from, from + n), () => socket.destroy());
  };
const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_seen, response) =>
    reply(response, code, headers, "<html>busy</html>");
const cut: Behaviour = (_seen, _response, socket) => void socket.destroy();
/** Says another length than the body has, and closes. */
const length =
  (said: number): Behaviour =>
  (_seen, response, socket) => {
    response.writeHead(200, { "content-length": said });
    response.write(bytes.subarray(0, said), () => socket.end());
  };

const mended: readonly [string, Behaviour[]][] = [
  ["500, then 503", [status(500), status(503)]],
  ["429 with a short Retry-After", [status(429, { "retry-after": "0" })]],
  ["503 with a date gone by", [status(503, { "retry-after": "Thu, 01 Jan 2015 00:00:00 GMT" })]],
  ["no answer, twice", [cut, cut]],
  ["cut after a while", [cutAfter(30_000), cutAfter(1), cutAfter(60_000)]],
  ["cut more often than is tried without progress", [1, 2, 3, 4, 5, 6, 7, 8].map(cutAfter)],
  ["a Content-Length too long, after which all is there", [length(bytes.length + 9)]],
  ["a Content-Length too short", [length(5_000)]],
  [
    "a part that is shorter than what was asked for",
    [
      cutAfter(10_000),
      (_s, r) =>
        reply(
          r,
          206,
          { "content-range": `bytes 10000-19999/${bytes.length}` },
          bytes.subarray(10_000, 20_000),
        ),
    ],
  ],
  [
    "cut, then parts of which nobody says of how much",
    [
      cutAfter(10_000),
      (_s, r) => reply(r, 206, { "content-range": "bytes 10000-99999/*" }, bytes.subarray(10_000)),
    ],
  ],
  ["cut, then 429 and other troubles", [cutAfter(10), status(429), status(502)]],
  [
    "cut, then a Range ignored",
    [cutAfter(30_000), (_s, r) => reply(r, 200, { "content-length": `${bytes.length}` }, bytes)],
  ],
];
for (const [name, first] of mended) {
  test(`read: ${name}: arrives whole`, async () => {
    await using registry = await peer(atFirst(...first));
    await using store = registry.open();
    assert.equal(Buffer.compare(await read(store), bytes), 0);
    assert.equal(Buffer.compare(await read(store, 99_999), bytes.subarray(99_999)), 0);
    assert.equal((await read(store, 100_000)).length, 0);
  });
}

test("a registry that was there is waited for while it starts again; one that never was, is not", async () => {
  const patient = { retry: { delay: 1 } };
  const started = (): Behaviour[] => [cut, status(503), cut, status(502), cut, cut];
  await using registry = await peer(atFirst(cutAfter(10), ...started()));
  await using store = registry.open(patient);
  assert.equal(Buffer.compare(await read(store), bytes), 0);
  await using absent = await peer(atFirst(...started().map(() => cut)));
  await using never = absent.open(patient);
  assert.equal(await codeOf(read(never)), "registry-unreachable");
  assert.equal(absent.seen.length, 5);
  await using troubled = await peer(atFirst(cutAfter(10), ...started().map(() => status(500))));
  await using failing = troubled.open(patient);
  assert.equal(await codeOf(read(failing)), "registry-error");
});

const endless: Behaviour = (_seen, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(bytes));
    if (!response.destroyed) response.once("drain", more);
  };
  response.writeHead(200);
  more();
};
const failures: readonly [string, Behaviour, string][] = [
  ["other bytes", (_s, r) => reply(r, 200, {}, someBytes(100_000, 2)), "digest-mismatch"],
  ["fewer bytes", (_s, r) => reply(r, 200, {}, bytes.subarray(1)), "size-mismatch"],
  ["more bytes", (_s, r) => reply(r, 200, {}, Buffer.concat([bytes, bytes])), "size-mismatch"],
  ["endless bytes", endless, "size-mismatch"],
  ["cut without progress, each time", cutAfter(0), "registry-unreachable"],
  ["never an answer", cut, "registry-unreachable"],
  ["silence", () => {}, "registry-unreachable"],
  ["404", (_s, r) => refuse(r, 404, "BLOB_UNKNOWN"), "not-found"],
  ["403", (_s, r) => refuse(r, 403, "DENIED"), "denied"],
  ["500 each time", status(500), "registry-error"],
  ["429 each time", status(429), "rate-limited"],
  ["429 for an hour", status(429, { "retry-after": "3600" }), "rate-limited"],
  ["a status that is none of HTTP's", status(299), "registry-error"],
  ["a redirect without an end", (s, r) => reply(r, 302, { location: s.path }), "redirect-refused"],
];
for (const [name, behave, code] of failures) {
  test(`read: ${name}: ${code}`, async () => {
    await using registry = await peer(behave);
    await using store = registry.open({
      // Else a machine that stands still for a moment would be one more try.
      ...(name === "silence" ? { idleTimeout: 100 } : {}),
      retry: { attempts: 3, delay: 1 },
    });
    assert.equal(await codeOf(read(store)), code);
    assert.ok(registry.seen.length <= 11);
  });
}

for (const range of [
  "bytes 0-9/10",
  "bytes 50-99999/200000",
  "bytes 51-99999/100000",
  "50-99999",
  undefined,
]) {
  test(`read: a part that is not what was asked for is refused: ${range}`, async () => {
    await using registry = await peer((_seen, response) =>
      reply(response, 206, range === undefined ? {} : { "content-range": range }, bytes),
    );
    assert.equal(await codeOf(read(registry.open(), 50)), "registry-error");
  });
}

test("read: a registry whose copy ends early, twice at one place, is not asked again", async () => {
  await using registry = await peer((seen, response) =>
    rangeOf(seen) === undefined ? reply(response, 200, {}, bytes.subarray(0, 70_000)) : reply(response, 416),
  );
  assert.equal(await codeOf(read(registry.open())), "size-mismatch");
  assert.equal(registry.seen.length, 2);
});

test("read: where a registry knows no ranges, no more is fetched again than is worth it", async () => {
  const size = 20 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024);
  let sent = 0;
  let cuts = 0;
  const answers: Promise<unknown>[] = [];
  await using registry = await peer(async (_seen, response, socket) => {
    answers.push(once(response, "close"));
    const end = Math.min(size, (++cuts * size) / 8);
    response.writeHead(200, { "content-length": size });
    for (let at = 0; at < end; at += chunk.length) {
      sent += chunk.length;
      await new Promise<void>((resolve) => response.write(chunk, () => resolve()));
    }
    socket.destroy();
  });
  const large = { ...d, size };
  const all = collect(registry.open().read(large, call), size, "it");
  assert.equal(await codeOf(all), "registry-unreachable");
  assert.ok(sent < 3 * size, `${sent}`);
  // The last answer is given up, too: unread, it would keep the process up.
  await Promise.all(answers);
});

test("read: users are told which registry asks them to wait, once for all that wait", async () => {
  const said: string[] = [];
  const gone = new AbortController();
  await using registry = await peer(status(429, { "retry-after": "30", "ratelimit-limit": "100;w=21600" }));
  const progress = {
    ...silent,
    say(sentence: string) {
      said.push(sentence);
      setImmediate(() => gone.abort());
    },
  };
  const store = registry.open();
  const waiting = [0, 1, 2].map(() =>
    collect(store.read(d, { signal: gone.signal, progress }), 1 << 24, "it"),
  );
  for (const one of await Promise.allSettled(waiting)) assert.equal(one.status, "rejected");
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", new RegExp(`^${registry.host} asks to wait 31 s \\(its rate limit`));
});

test("read: giving up half-way closes the connection", async () => {
  let closed = 0;
  await using registry = await peer((_seen, response) => {
    response.on("close", () => closed++);
    endless(_seen, response, response.req.socket);
  });
  for await (const _ of registry.open().read(d, call)) break;
  while (closed === 0) await new Promise(setImmediate);
});

test("a registry that only sent us to where tokens are is not waited for as one that was there", async () => {
  await using tokens = await peer(cut);
  await using registry = await peer((_seen, response) => {
    reply(response, 401, { "www-authenticate": `Bearer realm="${tokens.url}/token",service="it"` });
  });
  await using store = registry.open({ retry: { attempts: 2, whileAway: 5, delay: 1 } });
  assert.equal(await codeOf(read(store)), "registry-unreachable");
  assert.equal(tokens.seen.length, 2);
});
