import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "../../src/auth/scope.ts";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { refuse, reply } from "../remote/peer.ts";
import { blob, d, identity, knows, scopeOf, scopesAsked, tokenRegistry, user } from "./token-registry.ts";

// Tokens: when they are asked for, for what, and how long they are used.

const call = quietCall();

test("scopes: a token for more serves for less", () => {
  const cases: readonly [string[], string[], boolean][] = [
    [["repository:a/b:pull,push"], ["repository:a/b:pull"], true],
    [["repository:a/b:pull"], ["repository:a/b:pull,push"], false],
    [["repository:a/b:*"], ["repository:a/b:delete"], true],
    [["repository:host:5000/a:push,pull"], ["repository:host:5000/a:pull"], true],
    [["repository:a:pull", "repository:b:pull"], ["repository:b:pull"], true],
    [["repository:a:pull"], ["repository:b:pull"], false],
    [["registry:catalog:*"], ["repository:catalog:*"], false],
    [[], [], true],
    [[], ["odd"], false],
    [["odd"], ["odd"], true],
  ];
  for (const [have, wanted, expected] of cases)
    assert.equal(covers(have, wanted), expected, `${have} ${wanted}`);
});

test("requests at the same time share one token request; a caller who leaves does not end it", async () => {
  const gone = new AbortController();
  let asked = 0;
  await using registry = await tokenRegistry({
    token(_n, _seen, response) {
      asked++;
      // The first who asked leaves while the answer is on its way.
      gone.abort(new Error("left"));
      setImmediate(() => reply(response, 200, {}, '{"token":"t","expires_in":300}'));
    },
  });
  await using store = registry.open({ credentials: knows(user) });
  const leaves = store.has(d, quietCall(gone.signal)).catch((error: unknown) => error);
  const others = await Promise.all(Array.from({ length: 8 }, () => store.has(d, call)));
  assert.deepEqual(new Set(others), new Set([true]));
  assert.match(String(await leaves), /left/);
  assert.equal(asked, 1);
});

test("a token request that nobody waits for any more is cancelled", async () => {
  const gone = new AbortController();
  const closed = Promise.withResolvers<void>();
  await using registry = await tokenRegistry({
    token(_n, _seen, response) {
      response.once("close", closed.resolve);
      gone.abort();
    },
  });
  await using store = registry.open();
  await assert.rejects(store.has(d, quietCall(gone.signal)), { name: "AbortError" });
  await closed.promise;
});

test("a push asks for push once, and its token also pulls; a mount asks for both repositories", async () => {
  await using registry = await tokenRegistry({
    use(_token, seen, response) {
      if (seen.path.includes("mount=")) return reply(response, 201, { location: "/v2/a/b/blobs/x" });
      if (seen.method === "POST") return reply(response, 202, { location: "/v2/a/b/blobs/uploads/1" });
      reply(response, seen.method === "PUT" ? 201 : 200);
    },
  });
  const options = { ...registry.options, credentials: knows(user) };
  await using store = openRemote({ registry: registry.host, repository: "a/b" }, options);
  await using from = openRemote({ registry: registry.host, repository: "from" }, options);
  await store.put(d, fromBytes(blob), call);
  await store.has(d, call);
  assert.equal(await store.can.mount?.mount(d, from, call), true);
  await store.has(d, call);
  assert.deepEqual(registry.tokens().map(scopesAsked), [
    ["repository:a/b:pull,push"],
    ["repository:a/b:pull,push", "repository:from:pull"],
  ]);
});

test("the scope of a challenge is asked for beside ours, and for this purpose alone", async () => {
  await using registry = await tokenRegistry({
    challenge: (seen) => (seen.path.includes("/a/b/") ? 'scope="repository:base:pull"' : 'scope=""'),
  });
  const options = { ...registry.options, credentials: knows(user) };
  for (const repository of ["a/b", "c"]) {
    await using store = openRemote({ registry: registry.host, repository }, options);
    await store.has(d, call);
  }
  assert.deepEqual(registry.tokens().map(scopesAsked), [
    ["repository:a/b:pull", "repository:base:pull"],
    ["repository:c:pull"],
  ]);
});

const lives: readonly [string, Record<string, unknown>, number][] = [
  ["lives for 60 s by default", {}, 1],
  ["ends at once", { expires_in: 1 }, 2],
  ["has a life that is no number", { expires_in: "long" }, 1],
  [
    "was issued long before, by the server's own clock",
    { expires_in: 300, issued_at: "2020-01-01T00:00:00Z" },
    2,
  ],
  [
    "was issued just now, by a clock that is years behind ours",
    { expires_in: 300, issued_at: "2019-01-01T00:00:00Z" },
    1,
  ],
  ["was issued in the future", { expires_in: 300, issued_at: "2020-01-01T09:00:00Z" }, 1],
  ["was issued at no time", { expires_in: 300, issued_at: "yesterday" }, 1],
];
for (const [name, fields, requests] of lives) {
  test(`a token that ${name} is asked for ${requests === 1 ? "once" : "each time"}`, async () => {
    const date = name.includes("behind") ? "Tue, 01 Jan 2019 00:00:01 GMT" : "Wed, 01 Jan 2020 01:00:00 GMT";
    await using registry = await tokenRegistry({
      token: (n, _seen, response) =>
        reply(response, 200, { date }, JSON.stringify({ token: `t${n}`, ...fields })),
    });
    await using store = registry.open();
    await store.has(d, call);
    await store.has(d, call);
    assert.equal(registry.tokens().length, requests);
  });
}

test("a token that the registry refuses is replaced, once for all who hold it", async () => {
  let valid = "t0";
  await using registry = await tokenRegistry({
    use(token, seen, response) {
      if (token === valid) return reply(response, 200);
      const field = `Bearer realm="http://${registry.host}/token",service="here",scope="${scopeOf(seen)}",error="invalid_token"`;
      response.setHeader("www-authenticate", field);
      refuse(response, 401, "UNAUTHORIZED");
    },
  });
  await using store = registry.open({ credentials: knows(user) });
  await store.has(d, call);
  valid = "t1";
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => store.has(d, call))), [true, true, true]);
  assert.equal(registry.tokens().length, 2);
});

test("an identity token that is renewed is used from then on", async () => {
  await using registry = await tokenRegistry({
    token: (n, _seen, response) =>
      reply(
        response,
        200,
        {},
        JSON.stringify({ access_token: `t${n}`, expires_in: 1, refresh_token: `sekret-${n}` }),
      ),
  });
  await using store = registry.open({ credentials: knows(identity) });
  await store.has(d, call);
  await store.has(d, call);
  assert.deepEqual(
    registry.tokens().map((s) => new URLSearchParams(s.body.toString()).get("refresh_token")),
    ["sekret-id", "sekret-0"],
  );
});

test("a token server that is busy is asked again", async () => {
  await using registry = await tokenRegistry({
    token(n, _seen, response) {
      if (n < 2) return reply(response, n === 0 ? 503 : 429);
      reply(response, 200, {}, '{"token":"t"}');
    },
  });
  await using store = registry.open({ credentials: knows(user) });
  assert.equal(await store.has(d, call), true);
  assert.equal(registry.tokens().length, 3);
});
