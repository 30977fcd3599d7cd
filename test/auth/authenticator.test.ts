import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChallenges } from "../../src/auth/challenge.ts";
import type { Credentials, CredentialsProvider } from "../../src/auth/index.ts";
import { collect, fromBytes, quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type StoreError } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { codeOf } from "../contract/store.ts";
import { type Peer, peer, refuse, reply } from "../remote/peer.ts";

const call = quietCall();
const blob = Buffer.from("content");
const d = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };
const knows = (credentials: Credentials | undefined): CredentialsProvider => ({
  get: async () => credentials,
});
const user: Credentials = { kind: "password", username: "me", password: "pä:ss" };
const BASIC = `Basic ${Buffer.from("me:pä:ss").toString("base64")}`;

const challenges: readonly [string, unknown][] = [
  ["", []],
  ["Basic", [["basic", {}]]],
  ['Basic realm="a, b"', [["basic", { realm: "a, b" }]]],
  [
    'Bearer realm="https://t/x",service="r",scope="repository:a/b:pull,push"',
    [["bearer", { realm: "https://t/x", service: "r", scope: "repository:a/b:pull,push" }]],
  ],
  [
    'Negotiate abc==, basic REALM="q\\"x" , Bearer realm=tok',
    [
      ["negotiate", {}],
      ["basic", { realm: 'q"x' }],
      ["bearer", { realm: "tok" }],
    ],
  ],
  [
    "Negotiate, Basic realm=x",
    [
      ["negotiate", {}],
      ["basic", { realm: "x" }],
    ],
  ],
  ['Bearer realm="one", realm="two"', [["bearer", { realm: "one" }]]],
  ['Bearer realm="open', [["bearer", { realm: "" }]]],
  [`${"a ".repeat(20_000)}`, "many"],
  [`Bearer ${'"'.repeat(50_000)}`, [["bearer", {}]]],
];
for (const [field, expected] of challenges) {
  test(`challenge ${JSON.stringify(field.slice(0, 60))}`, () => {
    const found = parseChallenges(field);
    if (expected === "many") return assert.ok(found.length > 1000);
    assert.deepEqual(
      found.map((c) => [c.scheme, Object.fromEntries(c.parameters)]),
      expected,
    );
  });
}

/** A registry that wants tokens, and their server, on one host. */
function tokenRegistry(token: (n: number) => Record<string, unknown>): Promise<Peer> {
  let issued = 0;
  return peer((seen, response) => {
    const url = new URL(seen.path, "http://x");
    if (url.pathname === "/token") {
      return reply(response, 200, {}, JSON.stringify(token(issued++)));
    }
    if (!seen.headers.authorization?.startsWith("Bearer t")) {
      const realm = `http://${seen.headers.host}/token?fixed=1`;
      const challenge = `Bearer realm="${realm}",service="here",scope="repository:a/b:pull"`;
      return reply(response, 401, { "www-authenticate": challenge });
    }
    reply(response, 200, { "content-length": `${blob.length}` }, seen.method === "HEAD" ? "" : blob);
  });
}

test("Bearer: one token serves every request of its scope, and is asked for with the user's password", async () => {
  await using registry = await tokenRegistry((n) => ({ token: `t${n}`, expires_in: 300 }));
  await using store = registry.open({ credentials: knows(user) });
  for (let i = 0; i < 3; i++) assert.equal(await store.has(d, call), true);
  assert.equal(Buffer.from(await collect(store.read(d, call), 100, "it")).toString(), "content");
  const tokens = registry.seen.filter((s) => s.path.startsWith("/token"));
  assert.deepEqual(
    tokens.map((s) => [s.path, s.headers.authorization]),
    [["/token?fixed=1&service=here&scope=repository%3Aa%2Fb%3Apull", BASIC]],
  );
  assert.deepEqual(
    registry.seen.map((s) => s.headers.authorization),
    [undefined, BASIC, "Bearer t0", "Bearer t0", "Bearer t0", "Bearer t0"],
  );
});

test("Bearer: anonymous, with access_token; a token about to expire is not used", async () => {
  await using registry = await tokenRegistry((n) => ({ access_token: `t${n}`, expires_in: 1 }));
  await using store = registry.open();
  assert.equal(await store.has(d, call), true);
  assert.equal(await store.has(d, call), true);
  assert.deepEqual(
    registry.seen.map((s) => s.headers.authorization),
    [undefined, undefined, "Bearer t0", undefined, "Bearer t1"],
  );
});

test("Bearer: an identity token is exchanged by POST", async () => {
  await using registry = await tokenRegistry(() => ({ access_token: "t" }));
  await using store = registry.open({ credentials: knows({ kind: "identity-token", token: "id&1" }) });
  assert.equal(await store.has(d, call), true);
  const asked = registry.seen.find((s) => s.path.startsWith("/token"));
  assert.equal(asked?.method, "POST");
  assert.equal(asked?.headers.authorization, undefined);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(asked?.body.toString())), {
    service: "here",
    scope: "repository:a/b:pull",
    client_id: "imgvol",
    grant_type: "refresh_token",
    refresh_token: "id&1",
  });
});

test("two stores of one set of options share tokens by scope; credentials are asked for by repository", async () => {
  const asked: string[] = [];
  await using registry = await tokenRegistry(() => ({ token: "t" }));
  const credentials: CredentialsProvider = {
    async get(host, repository) {
      asked.push(`${host === registry.host} ${repository}`);
      return user;
    },
  };
  const options = { ...registry.options, credentials };
  for (const repository of ["a/b", "a/b", "c"]) {
    await using store = openRemote({ registry: registry.host, repository }, options);
    assert.equal(await store.has(d, call), true);
  }
  assert.deepEqual(asked, ["true a/b", "true c"]);
});

test("Basic: offered when asked for, then unasked", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.headers.authorization !== BASIC) {
      return reply(response, 401, { "www-authenticate": 'Digest x=y, Basic realm="r"' });
    }
    reply(response, 200);
  });
  await using store = registry.open({ credentials: knows(user) });
  assert.equal(await store.has(d, call), true);
  assert.equal(await store.has(d, call), true);
  assert.deepEqual(
    registry.seen.map((s) => s.headers.authorization),
    [undefined, BASIC, BASIC],
  );
});

const refusals: readonly [string, string, string][] = [
  ['Basic realm="r"', "credentials-wrong", "imgvol login HOST"],
  ["Digest a=b", "unauthorized", "Basic, or by Bearer"],
  ["", "unauthorized", "Basic, or by Bearer"],
];
for (const [field, code, hint] of refusals) {
  test(`a login refused by ${field || "no challenge"} is ${code}, and is not tried for ever`, async () => {
    await using registry = await peer((_seen, response) => {
      response.setHeader("www-authenticate", field);
      refuse(response, 401, "UNAUTHORIZED", "go\u001b[31m away");
    });
    await using store = registry.open({ credentials: knows(user) });
    await assert.rejects(collect(store.read(d, call), 100, "it"), (error: StoreError) => {
      assert.equal(error.code, code);
      assert.match(error.message, /answered 401 \(UNAUTHORIZED: go\\u\{1b\}\[31m away\)/);
      assert.match(error.hint ?? "", new RegExp(hint.replace("HOST", registry.host)));
      assert.doesNotMatch(JSON.stringify([error, error.stack]), /pä:ss|bWU6/);
      return true;
    });
    assert.ok(registry.seen.length <= 2);
  });
}

test("a realm that is no web address is refused", async () => {
  for (const realm of ["ftp://127.0.0.1/token", "not a url", ""]) {
    await using registry = await peer((_seen, response) =>
      reply(response, 401, { "www-authenticate": `Bearer realm="${realm}"` }),
    );
    assert.equal(await codeOf(registry.open({ credentials: knows(user) }).has(d, call)), "realm-refused");
    assert.ok(registry.seen.every((s) => s.headers.authorization === undefined));
  }
});

const answers: readonly [string, number, string, string][] = [
  ["refuses", 401, "{}", "credentials-wrong"],
  ["forbids", 403, "{}", "denied"],
  ["is not JSON", 200, "<html>secret-token</html>", "registry-error"],
  ["has no token", 200, "{}", "registry-error"],
  ["smuggles a header", 200, JSON.stringify({ token: "a\r\nx: y" }), "registry-error"],
  ["is endless", 200, "x".repeat(400_000), "too-large"],
];
for (const [name, status, body, code] of answers) {
  test(`a token server that ${name} is ${code}`, async () => {
    await using registry = await peer((seen, response) => {
      if (seen.path.startsWith("/token")) return reply(response, status, {}, body);
      reply(response, 401, { "www-authenticate": `Bearer realm="http://${seen.headers.host}/token"` });
    });
    const error = await registry
      .open({ credentials: knows(user) })
      .has(d, call)
      .catch((e: unknown) => e);
    assert.equal(await codeOf(Promise.reject(error)), code);
    assert.doesNotMatch(String(error), /secret-token/);
  });
}

test("credentials do not follow a blob's redirect to another origin", async () => {
  await using elsewhere = await peer((_seen, response) => reply(response, 200, {}, blob));
  await using registry = await peer((seen, response) => {
    if (seen.headers.authorization === undefined) {
      return reply(response, 401, { "www-authenticate": "Basic realm=x" });
    }
    reply(response, 307, { location: `${elsewhere.url}/signed?sig=1` });
  });
  await using store = registry.open({ credentials: knows(user) });
  assert.equal(Buffer.from(await collect(store.read(d, call), 100, "it")).toString(), "content");
  assert.deepEqual(
    elsewhere.seen.map((s) => [s.path, s.headers.authorization]),
    [["/signed?sig=1", undefined]],
  );
  assert.equal(registry.seen.at(-1)?.headers.authorization, BASIC);
});

test("credentials do not follow an upload's Location to another origin; its query stays as it is", async () => {
  const size = 17 * 1024 * 1024;
  for (const bytes of [blob, Buffer.alloc(size, 7)]) {
    await using elsewhere = await peer((seen, response) => {
      if (seen.method === "PATCH") return reply(response, 202, { location: "/up?sig=%2Fa+b&x" });
      reply(response, 201);
    });
    await using registry = await peer((seen, response) => {
      if (seen.headers.authorization === undefined) {
        return reply(response, 401, { "www-authenticate": "Basic realm=x" });
      }
      reply(response, 202, { location: `${elsewhere.url}/up?sig=%2Fa+b&x` });
    });
    await using store = registry.open({ credentials: knows(user) });
    const whole = { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };
    await store.put(whole, fromBytes(bytes), call);
    const digest = encodeURIComponent(whole.digest);
    const put = ["PUT", `/up?sig=%2Fa+b&x&digest=${digest}`, undefined];
    const patch = ["PATCH", "/up?sig=%2Fa+b&x", undefined];
    assert.deepEqual(
      elsewhere.seen.map((s) => [s.method, s.path, s.headers.authorization]),
      bytes === blob ? [put] : [patch, put],
    );
    assert.equal(Buffer.concat(elsewhere.seen.map((s) => s.body)).equals(bytes), true);
  }
});

test("an identity token is not sent on by a token server's redirect", async () => {
  await using elsewhere = await peer((_seen, response) => reply(response, 200, {}, '{"token":"t"}'));
  await using registry = await peer((seen, response) => {
    if (seen.path === "/token") return reply(response, 307, { location: `${elsewhere.url}/token` });
    reply(response, 401, { "www-authenticate": `Bearer realm="http://${seen.headers.host}/token"` });
  });
  await using store = registry.open({ credentials: knows({ kind: "identity-token", token: "id" }) });
  assert.equal(await codeOf(store.has(d, call)), "realm-refused");
  assert.equal(elsewhere.seen.length, 0);
});
