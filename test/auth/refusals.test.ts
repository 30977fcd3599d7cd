import assert from "node:assert/strict";
import { test } from "node:test";
import type { Credentials } from "../../src/auth/index.ts";
import { collect, fromBytes, quietCall } from "../../src/base/index.ts";
import type { StoreError } from "../../src/oci/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { refuse, reply } from "../remote/peer.ts";
import { type Answers, access, d, identity, knows, tokenRegistry, user } from "./token-registry.ts";

// What is said where a registry or its token server refuses: a code by what the user can do about it, and no secret.

const call = quietCall();

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

test("a rate limit tells nobody to log in, and somebody whose limit it is", async () => {
  const wait = { "retry-after": "7200" };
  const pulls = "you have reached your pull rate limit";
  for (const [credentials, headers, said, hint] of [
    [undefined, wait, pulls, /log in for a higher limit: `imgvol login/],
    [undefined, { ...wait, "ratelimit-limit": "100;w=21600" }, "no", /log in for a higher limit/],
    [user, wait, pulls, /limit of the account/],
    // A limit of another kind: who is logged in has the same.
    [undefined, wait, "too many uploads are under way", /^try again in 7200 s$/],
    [user, wait, "too many uploads are under way", /^try again in 7200 s$/],
  ] as const) {
    await using registry = await tokenRegistry({
      use(_t, _s, r) {
        for (const [name, value] of Object.entries(headers)) r.setHeader(name, value);
        refuse(r, 429, "TOOMANYREQUESTS", said);
      },
    });
    await using store = registry.open({ credentials: knows(credentials) });
    await assert.rejects(collect(store.read(d, call), 100, "it"), (error: StoreError) => {
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

test("where nobody may push, no login is told of; elsewhere it is", async () => {
  for (const [status, code, message, helps] of [
    [403, "DENIED", "this registry is read-only", false],
    [403, "DENIED", "this registry mirrors others: push there", false],
    [405, "UNSUPPORTED", "The operation is unsupported.", false],
    [403, "DENIED", "requested access to the resource is denied", true],
  ] as const) {
    for (const credentials of [undefined, user]) {
      await using registry = await tokenRegistry({
        token: (_n, _s, r) => reply(r, 200, {}, JSON.stringify({ token: "t", expires_in: 300 })),
        use: (_t, _s, r) => refuse(r, status, code, message),
      });
      await using store = registry.open({ credentials: knows(credentials) });
      await assert.rejects(store.put(d, fromBytes(Buffer.from("x")), call), (error: StoreError) => {
        assert.equal(/no login helps/.test(error.hint ?? ""), !helps, `${error.message}\n${error.hint}`);
        assert.equal(/no credentials|was accepted/.test(error.message), helps, error.message);
        return true;
      });
    }
  }
});
