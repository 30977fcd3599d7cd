import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { collect, fromBytes, quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type StoreError } from "../../src/oci/index.ts";
import { covers } from "../../src/store/auth-scope.ts";
import { type Credentials, type CredentialsProvider, openRemote } from "../../src/store/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { type Peer, peer, refuse, reply, type Seen } from "./remote-peer.ts";

// Tokens: when they are asked for, for what, how long they are used, and what is said where they are refused.

const call = quietCall();
const blob = Buffer.from("content");
const d = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };
const user: Credentials = { kind: "password", username: "me", password: "sekret-pw", from: "FILE" };
const identity: Credentials = { kind: "identity-token", token: "sekret-id", from: "docker-credential-x" };
const access: Credentials = { kind: "access-token", token: "sekret-at", from: "FILE" };
const knows = (credentials: Credentials | undefined): CredentialsProvider => ({
  get: async () => credentials,
});

interface Answers {
  /** To the nth token request; default a token `tN` that lives for 300 s. */
  token?(n: number, seen: Seen, response: ServerResponse): void;
  /** To a request with a token; default 200. */
  use?(token: string, seen: Seen, response: ServerResponse): void;
  challenge?(seen: Seen): string;
}

const scopeOf = ({ method }: Seen): string =>
  `repository:a/b:${/GET|HEAD/.test(method) ? "pull" : "pull,push"}`;

/** A registry that wants tokens, and their server, on one host. */
async function tokenRegistry(answers: Answers = {}): Promise<Peer & { readonly tokens: () => Seen[] }> {
  let issued = 0;
  const registry = await peer((seen, response) => {
    if (seen.path.startsWith("/token")) {
      const n = issued++;
      if (answers.token) return answers.token(n, seen, response);
      return reply(response, 200, {}, JSON.stringify({ token: `t${n}`, expires_in: 300 }));
    }
    const token = /^Bearer (.*)$/.exec(seen.headers.authorization ?? "")?.[1];
    if (token === undefined) return challenge(seen, response);
    if (answers.use) return answers.use(token, seen, response);
    reply(response, 200, { "content-length": `${blob.length}` }, seen.method === "HEAD" ? "" : blob);
  });
  const challenge = (seen: Seen, response: ServerResponse): void => {
    const scope = answers.challenge?.(seen) ?? `scope="${scopeOf(seen)}"`;
    const field = `Bearer realm="http://${registry.host}/token",service="here",${scope}`;
    reply(response, 401, { "www-authenticate": field });
  };
  return { ...registry, tokens: () => registry.seen.filter((s) => s.path.startsWith("/token")) };
}

const scopesAsked = (seen: Seen): string[] => new URL(seen.path, "http://x").searchParams.getAll("scope");

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

const failures: readonly [string, Credentials | undefined, Answers, string, RegExp][] = [
  [
    "nobody, who would have to be somebody",
    undefined,
    { use: (_t, _s, r) => refuse(r, 401, "UNAUTHORIZED") },
    "credentials-missing",
    /no credentials for 127/,
  ],
  [
    "nobody, whom the token server refuses",
    undefined,
    { token: (_n, _s, r) => refuse(r, 401, "UNAUTHORIZED") },
    "credentials-missing",
    /token server 127.* answered 401 .*no credentials for 127/,
  ],
  [
    "a wrong password",
    user,
    { token: (_n, _s, r) => refuse(r, 401, "UNAUTHORIZED", "incorrect password sekret-pw") },
    "credentials-wrong",
    /a\/b.*incorrect password \*\*\*.*the password of "me" from FILE was refused/,
  ],
  [
    "an identity token that has expired",
    identity,
    {
      token: (_n, _s, r) =>
        reply(r, 400, {}, '{"error":"invalid_grant","error_description":"sekret-id is old"}'),
    },
    "token-expired",
    /invalid_grant: \*\*\* is old.*the identity token from docker-credential-x was refused: it has expired/,
  ],
  [
    "an identity token that may not do this",
    identity,
    { token: (_n, _s, r) => reply(r, 400, {}, '{"error":"invalid_scope"}') },
    "denied",
    /does not give the right/,
  ],
  [
    "an access token that has expired",
    access,
    { use: (_t, _s, r) => refuse(r, 401, "UNAUTHORIZED") },
    "token-expired",
    /the access token from FILE was refused/,
  ],
  [
    "a scope that the token server denies",
    user,
    { token: (_n, _s, r) => refuse(r, 403, "DENIED", "not yours") },
    "denied",
    /DENIED: not yours.*the password of "me" from FILE was accepted, but/,
  ],
  [
    "a token that lacks the right",
    user,
    {
      use(_t, seen, r) {
        const field = `Bearer realm="http://${seen.headers.host}/token",error="insufficient_scope"`;
        r.setHeader("www-authenticate", field);
        refuse(r, 401, "UNAUTHORIZED");
      },
    },
    "denied",
    /the password of "me" from FILE was accepted, but/,
  ],
  [
    "a 403 that repeats what it refuses",
    user,
    { use: (token, s, r) => refuse(r, 403, "DENIED", `no: ${s.headers.authorization} ${token}xx`) },
    "denied",
    /DENIED: no: Bearer \*\*\*/,
  ],
  [
    "a token that was given just now, and is not taken",
    user,
    {
      use(_t, seen, r) {
        const field = `Bearer realm="http://${seen.headers.host}/token",error="invalid_token"`;
        r.setHeader("www-authenticate", field);
        refuse(r, 401, "UNAUTHORIZED");
      },
    },
    "token-expired",
    /its token server had just given/,
  ],
  [
    "too many requests",
    user,
    {
      token(_n, _s, r) {
        r.setHeader("ratelimit-limit", "100;w=21600");
        r.setHeader("retry-after", "7200");
        refuse(r, 429, "TOOMANYREQUESTS", "slow down");
      },
    },
    "rate-limited",
    /TOOMANYREQUESTS: slow down; the limit is 100 in 6 h/,
  ],
  [
    "a token server that is not one",
    user,
    { token: (_n, _s, r) => reply(r, 404, {}, "<html>sekret-pw</html>") },
    "registry-error",
    /token server .* answered 404$/,
  ],
];
for (const [name, credentials, answers, code, message] of failures) {
  test(`${name}: ${code}`, async () => {
    let n = 0;
    const whole: Answers = {
      token: (i, _s, r) =>
        reply(r, 200, {}, JSON.stringify({ token: `sekret-t${i}`, n: n++, expires_in: 300 })),
      ...answers,
    };
    await using registry = await tokenRegistry(whole);
    await using store = registry.open({ credentials: knows(credentials) });
    await assert.rejects(collect(store.read(d, call), 100, "it"), (error: StoreError) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok((error.hint ?? "").length > 10);
      const chain = [error, error.cause, (error.cause as Error | undefined)?.cause];
      const said = chain.map((e) => (e instanceof Error ? `${e.stack}${JSON.stringify(e)}` : ""));
      assert.doesNotMatch(said.join(), /sekret|c2Vrcm/);
      return true;
    });
    assert.ok(registry.seen.length <= 6, `${registry.seen.length} requests`);
  });
}

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

test("a rate limit tells nobody to log in, and somebody whose limit it is", async () => {
  for (const [credentials, hint] of [
    [undefined, /log in for a higher limit: `imgvol login/],
    [user, /limit of the account/],
  ] as const) {
    await using registry = await tokenRegistry({
      use: (_t, _s, r) => reply(r, 429, { "retry-after": "7200" }, '{"errors":[{"code":"TOOMANYREQUESTS"}]}'),
    });
    await using store = registry.open({ credentials: knows(credentials) });
    await assert.rejects(store.has(d, call), (error: StoreError) => {
      assert.equal(error.code, "rate-limited");
      assert.match(error.hint ?? "", hint);
      return true;
    });
  }
});

test("a verb that is not let in ends, with nothing that keeps its process", async () => {
  await using registry = await tokenRegistry({ token: (_n, _s, r) => refuse(r, 401, "UNAUTHORIZED") });
  const env = {
    HOME: "/nonexistent",
    XDG_RUNTIME_DIR: "/nonexistent",
    DOCKER_CONFIG: "",
    REGISTRY_AUTH_FILE: "",
  };
  const ran = await imgvol(["tags", `${registry.host}/a/b`], { env });
  assert.match(ran.stderr, /no credentials for 127/);
  assert.equal(ran.code, 3);
});
