import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { parseChallenges } from "../../src/auth/challenge.ts";
import type { Credentials, CredentialsProvider } from "../../src/auth/index.ts";
import { quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type StoreError } from "../../src/oci/index.ts";
import { type Behaviour, peer, reply, type Seen } from "../remote/peer.ts";

// Registries and token servers that are after credentials, our memory, or our time.

const call = quietCall();
const blob = Buffer.from("content");
const d = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };
const user: Credentials = { kind: "password", username: "me", password: "sekret-pw" };
const knows: CredentialsProvider = { get: async () => user };

const challenge = (response: ServerResponse, realm: string, more = ""): void =>
  reply(response, 401, { "www-authenticate": `Bearer realm="${realm}"${more}` });

/** A registry whose challenge names its own `/token`, which behaves as told. */
function tokenServer(behave: Behaviour): Behaviour {
  return (seen, response, socket) => {
    if (seen.path.startsWith("/token")) return behave(seen, response, socket);
    challenge(response, `http://${seen.headers.host}/token`);
  };
}

const sentOut = (seen: readonly Seen[]): string[] => seen.map((s) => `${s.headers.authorization} ${s.body}`);

test("attack: a plain registry on this machine sends the password over the network in plain HTTP", async () => {
  for (const realm of ["http://tokens.example/t", "http://127.0.0.1.example/t", "http://10.1.2.3/t"]) {
    await using registry = await peer((_seen, response) => challenge(response, realm));
    await using store = registry.open({ credentials: knows });
    await assert.rejects(store.has(d, call), { code: "realm-refused", hint: /--plain-http/ });
    assert.deepEqual(sentOut(registry.seen), ["undefined "]);
  }
});

test("a plain token server that the user allows is asked", async () => {
  await using tokens = await peer(
    (_seen, response) => reply(response, 200, {}, '{"token":"t"}'),
    "127.0.0.2",
  );
  await using registry = await peer((seen, response) =>
    seen.headers.authorization === "Bearer t" ? reply(response, 200) : challenge(response, `${tokens.url}/t`),
  );
  await using store = registry.open({ credentials: knows, plainHttp: [tokens.host] });
  assert.equal(await store.has(d, call), true);
});

test("attack: a realm with a user, a fragment, or another scheme", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.headers.authorization === "Bearer t") return reply(response, 200);
    if (seen.path.startsWith("/token")) return reply(response, 200, {}, '{"token":"t"}');
    challenge(response, `http://else:where@${seen.headers.host}/token?a=b#frag`);
  });
  await using store = registry.open({ credentials: knows });
  assert.equal(await store.has(d, call), true);
  const asked = registry.seen.find((s) => s.path.startsWith("/token"));
  assert.match(asked?.path ?? "", /^\/token\?a=b&scope=/);
  assert.equal(asked?.headers.authorization, `Basic ${Buffer.from("me:sekret-pw").toString("base64")}`);
  for (const realm of ["file:///etc/passwd", "javascript:x", "//host/token", "data:,x", "http://"]) {
    await using other = await peer((_seen, response) => challenge(response, realm));
    await assert.rejects(other.open({ credentials: knows }).has(d, call), { code: "realm-refused" });
    assert.deepEqual(sentOut(other.seen), ["undefined "]);
  }
});

test("attack: a token server sends a password on to another origin", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    await using elsewhere = await peer((_seen, response) => reply(response, 200, {}, '{"token":"t"}'));
    const lead = tokenServer((_seen, response) =>
      reply(response, status, { location: `${elsewhere.url}/t` }),
    );
    await using registry = await peer(lead);
    await using store = registry.open({ credentials: knows });
    await assert.rejects(store.has(d, call), { code: "realm-refused", message: new RegExp(elsewhere.host) });
    assert.deepEqual(sentOut(elsewhere.seen), ["undefined "]);
  }
});

test("attack: where a password did not follow, the answer is given up: unread, it would keep the process up", async () => {
  let answer: Promise<unknown> | undefined;
  await using elsewhere = await peer((_seen, response) => {
    answer = once(response, "close");
    response.writeHead(200);
    response.write("x".repeat(1_000_000));
  });
  const lead = tokenServer((_seen, response) => reply(response, 302, { location: `${elsewhere.url}/t` }));
  await using registry = await peer(lead);
  await using store = registry.open({ credentials: knows });
  await assert.rejects(store.has(d, call), { code: "realm-refused" });
  await answer;
});

const hostile: readonly [string, Behaviour, string][] = [
  ["drips its answer for ever", (_s, r, socket) => drip(r, () => socket.destroyed), "registry-unreachable"],
  ["never answers", () => {}, "registry-unreachable"],
  [
    "answers without end",
    (_s, r) => {
      r.writeHead(200);
      const more = (): boolean => r.destroyed || r.write("x".repeat(65536), more);
      more();
    },
    "too-large",
  ],
  ["answers with half of what it announced", (_s, r) => half(r), "registry-unreachable"],
  ["gives a token with a line break", (_s, r) => give(r, "a\r\nhost: x"), "registry-error"],
  ["gives a token with a zero byte", (_s, r) => give(r, "a\0b"), "registry-error"],
  ["gives a token with an umlaut", (_s, r) => give(r, "sekret-ä"), "registry-error"],
  ["gives a token with a space", (_s, r) => give(r, "a b"), "registry-error"],
  ["gives a number for a token", (_s, r) => give(r, 42), "registry-error"],
  ["gives a list", (_s, r) => reply(r, 200, {}, '["sekret"]'), "registry-error"],
  [
    "gives another __proto__",
    (_s, r) => reply(r, 200, {}, '{"__proto__":{"token":"sekret"}}'),
    "registry-error",
  ],
  ["gives a token larger than any header", (_s, r) => give(r, "t".repeat(200_000)), "any"],
];
for (const [name, behave, code] of hostile) {
  test(`attack: a token server that ${name}: ${code}`, async () => {
    await using registry = await peer(tokenServer(behave));
    // Short where nothing else ends it; a busy machine may need longer for an answer that comes.
    const idleTimeout = code === "registry-unreachable" ? 150 : 20_000;
    const options = { credentials: knows, idleTimeout, retry: { attempts: 1 } };
    await using store = registry.open(options);
    await assert.rejects(store.has(d, call), (error: StoreError) => {
      if (code !== "any") assert.equal(error.code, code);
      assert.equal(typeof error.code, "string");
      assert.ok(error.message.length < 2000);
      assert.doesNotMatch(`${error.stack}${error.cause}`, /sekret/);
      return true;
    });
  });
}

function drip(response: ServerResponse, gone: () => boolean): void {
  response.writeHead(200);
  const timer = setInterval(() => (gone() ? clearInterval(timer) : response.write(" ")), 10);
}

function half(response: ServerResponse): void {
  response.writeHead(200, { "content-length": "100" });
  response.write('{"token":');
  response.destroy();
}

function give(response: ServerResponse, token: unknown): void {
  reply(response, 200, {}, JSON.stringify({ token, expires_in: 300 }));
}

test("attack: a challenge bomb", async () => {
  const bombs = [
    `Bearer ${"x".repeat(30_000)}="y", realm="http://HOST/token"`,
    `Bearer realm="http://HOST/token",scope="${"repository:x:pull ".repeat(1500)}"`,
    `Bearer realm="http://HOST/token",scope="${Array.from({ length: 900 }, (_, i) => `repository:x${i}:pull`).join(" ")}"`,
    `${"Basic realm=x, ".repeat(1500)}Bearer realm="http://HOST/token"`,
    `Bearer realm="http://HOST/token",${'a="\\'.repeat(4000)}`,
    `Bearer realm="http://HOST/${"t".repeat(15_000)}"`,
  ];
  for (const bomb of bombs) {
    await using registry = await peer((seen, response) => {
      if (seen.headers.authorization?.startsWith("Bearer")) return reply(response, 200);
      const { host = "" } = seen.headers;
      if (/^\/t/.test(seen.path)) return reply(response, 200, {}, '{"token":"t"}');
      reply(response, 401, { "www-authenticate": bomb.replaceAll("HOST", host) });
    });
    await using store = registry.open({ credentials: knows });
    const done = await store.has(d, call).catch((error: StoreError) => error.code);
    assert.ok(done === true || typeof done === "string", String(done));
    for (const { path } of registry.seen) assert.ok(path.length < 17_000, `${path.length}`);
  }
});

test("attack: challenges that take long to read", () => {
  const texts = ['a="', "a=,", "a ", ",", "a==", '\\"', "a=b ", "\t\t "].map((piece) =>
    piece.repeat(100_000),
  );
  // All of them are cut at the same length: a reader that backtracks would not end.
  for (const text of texts) assert.ok(parseChallenges(text).length <= 16_384);
});

test("attack: a registry that always wants another token is asked twice, and no more", async () => {
  let n = 0;
  await using registry = await peer((seen, response) => {
    if (seen.path.startsWith("/token")) return give(response, `t${n++}`);
    challenge(
      response,
      `http://${seen.headers.host}/token`,
      `,scope="repository:x${n}:pull",error="invalid_token"`,
    );
  });
  await using store = registry.open({ credentials: knows });
  await assert.rejects(store.has(d, call), { code: "token-expired" });
  assert.equal(registry.seen.length, 3);
});
