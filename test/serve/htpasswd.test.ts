import assert from "node:assert/strict";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { hashSync } from "bcryptjs";
import { RegistryError } from "../../src/registry/index.ts";
import { Bcrypt } from "../../src/serve/bcrypt.ts";
import { parseHtpasswd } from "../../src/serve/htpasswd.ts";
import { basic, team, writeUsers } from "./front.ts";

const HASH = hashSync("secret", 4);
const USERS = { ada: "secret", zoë: "pass:with:colons and spaces" };

test("a file of htpasswd -B: users, comments, blank lines, line ends of Windows", () => {
  const users = parseHtpasswd(
    `# the team\r\n\r\nada:${HASH}\r\nzoë:${HASH.replace("$2b$", "$2y$")}`,
    "users",
  );
  assert.deepEqual([...users.keys()], ["ada", "zoë"]);
  assert.equal(users.get("ada"), HASH);
});

for (const [name, text, line] of [
  ["a line without a colon", `ada:${HASH}\nsecretword\n`, 2],
  ["no user", `:${HASH}`, 1],
  ["MD5", "# x\n\nada:$apr1$dHjB0/..$secretsecretsecretsec", 3],
  ["SHA-1", "ada:{SHA}secretsecret", 1],
  ["a password in clear", "ada:secretword", 1],
  ["a hash that is cut short", `ada:${HASH.slice(0, -1)}`, 1],
  ["a cost that would take hours", `ada:${HASH.replace("$04$", "$31$")}`, 1],
  ["a user twice", `ada:${HASH}\nbob:${HASH}\nada:${HASH}`, 3],
  ["something behind the hash", `ada:${HASH}:secretword`, 1],
] as const) {
  test(`refused: ${name}, by the line's number and without its content`, () => {
    assert.throws(
      () => parseHtpasswd(text, "users"),
      (error) => {
        assert.ok(error instanceof RegistryError && error.code === "htpasswd-invalid" && error.wrongUse);
        assert.match(error.message, new RegExp(`^users, line ${line}: `));
        assert.doesNotMatch(`${error.message} ${error.hint}`, /secret|ada|\$/);
        return true;
      },
    );
  });
}

test("a registry does not start with a file that it cannot use", async () => {
  await assert.rejects(team({ htpasswd: "/nonexistent/users" }), { code: "htpasswd-unreadable" });
});

const status = async (url: string, headers: Record<string, string> = {}, method = "GET"): Promise<number> => {
  const response = await fetch(url, { headers, method });
  await response.arrayBuffer();
  return response.status;
};

test("who has no password, or a wrong one, is answered 401 with a challenge and a body of the spec", async () => {
  await using registry = await team({ users: USERS });
  for (const headers of [
    {},
    basic("ada", "wrong"),
    basic("ada", ""),
    basic("nobody", "secret"),
    basic("", ""),
    { authorization: "Basic" },
    { authorization: "Basic ====" },
    { authorization: "Basic c2VjcmV0" },
    { authorization: "Bearer secret" },
  ]) {
    const response = await fetch(`${registry.url}/v2/`, { headers });
    assert.equal(response.status, 401);
    assert.match(response.headers.get("www-authenticate") ?? "", /^Basic realm="[^"]+", charset="UTF-8"$/);
    assert.equal(response.headers.get("docker-distribution-api-version"), "registry/2.0");
    const { errors } = (await response.json()) as { errors: { code: string }[] };
    assert.deepEqual(
      errors.map((e) => e.code),
      ["UNAUTHORIZED"],
    );
  }
  for (const path of ["/", "/r/a", "/metrics", "/v2/_catalog", "/v2/a/tags/list", "/site.css", "/x"]) {
    assert.equal(await status(registry.url + path), 401, path);
  }
  assert.equal(await status(`${registry.url}/healthz`), 200);
});

test("who has one comes in, again and again, and the log says who it was", async () => {
  await using registry = await team({ users: USERS });
  for (let i = 0; i < 3; i++) {
    for (const [user, password] of Object.entries(USERS)) {
      assert.equal(await status(`${registry.url}/v2/`, basic(user, password)), 200);
    }
  }
  assert.equal(await status(`${registry.url}/metrics`, basic("ada", "secret")), 200);
  assert.equal(await status(`${registry.url}/v2/`, basic("zoë", "wrong")), 401);
  await registry.logged((line) => line["status"] === 401);
  const users = registry.log.map((line) => line["user"]);
  assert.deepEqual(users, ["ada", "zoë", "ada", "zoë", "ada", "zoë", "ada", undefined]);
  assert.doesNotMatch(JSON.stringify([registry.log, registry.said]), /secret|colons|wrong|Basic/);
});

test("a change of the file counts from the next request on, one that cannot be used does not", async () => {
  await using registry = await team({ users: USERS });
  const ask = (password: string): Promise<number> => status(`${registry.url}/v2/`, basic("ada", password));
  assert.equal(await ask("secret"), 200);
  // A new file in place of the old, as editors and Kubernetes do.
  await writeUsers(registry.data, { ada: "newer" });
  await rename(join(registry.data, "users"), join(registry.folder, "users"));
  assert.equal(await ask("secret"), 401);
  assert.equal(await ask("newer"), 200);
  await writeFile(join(registry.folder, "users"), "ada:newest-in-clear\n");
  assert.equal(await ask("newest-in-clear"), 401);
  assert.equal(await ask("newer"), 200);
  await rm(join(registry.folder, "users"));
  assert.equal(await ask("newer"), 200);
  const said = registry.said.join("\n");
  assert.match(
    said,
    /has changed: 1 users[\s\S]*stay as they were: .*line 1[\s\S]*stay as they were: cannot read/,
  );
  assert.doesNotMatch(said, /newest-in-clear/);
});

const DIGEST = `sha256:${"0".repeat(64)}`;

test("--anonymous-pull: what is read needs no password, all else and what asks for one does", async () => {
  await using registry = await team({ users: USERS, anonymousPull: true, memory: true });
  for (const [method, path, expected] of [
    ["GET", "/v2/_catalog", 200],
    ["GET", "/", 200],
    ["GET", "/r/missing", 404],
    ["GET", "/v2/a/tags/list", 404],
    ["HEAD", `/v2/a/blobs/${DIGEST}`, 404],
    ["GET", "/v2/", 401],
    ["GET", "/metrics", 401],
    ["POST", "/v2/a/blobs/uploads/", 401],
    ["PUT", "/v2/a/manifests/v1", 401],
    ["DELETE", "/v2/a/manifests/v1", 401],
    ["POST", "/", 401],
  ] as const) {
    const what = `${method} ${path}`;
    assert.equal(await status(registry.url + path, {}, method), expected, what);
    // A wrong one is wrong all the same, and what some clients send who have none is none.
    assert.equal(await status(registry.url + path, basic("ada", "wrong"), method), 401, what);
    assert.equal(await status(registry.url + path, basic("", ""), method), expected, what);
  }
});

test("passwords beyond what can be checked in a few seconds are told to wait", async () => {
  await using bcrypt = new Bcrypt();
  const guesses = Array.from({ length: 64 }, (_, i) => bcrypt.compare(`guess ${i}`, HASH));
  await assert.rejects(bcrypt.compare("secret", HASH), { code: "logins-exhausted" });
  assert.deepEqual([...new Set(await Promise.all(guesses))], [false]);
  assert.equal(await bcrypt.compare("secret", HASH), true);
});

test("a flood of guesses: each is answered 401 or told to wait, and who is known comes in meanwhile", async () => {
  await using registry = await team({ users: { ada: "secret" } });
  assert.equal(await status(`${registry.url}/v2/`, basic("ada", "secret")), 200);
  const flood = Array.from({ length: 150 }, async (_, i) => {
    const answer = await fetch(`${registry.url}/v2/`, { headers: basic("ada", `guess ${i}`) });
    await answer.arrayBuffer();
    return [answer.status, answer.headers.get("retry-after")] as const;
  });
  assert.equal(await status(`${registry.url}/v2/`, basic("ada", "secret")), 200);
  const answers = await Promise.all(flood);
  for (const [code, after] of answers) {
    assert.ok(code === 401 || code === 429, String(code));
    assert.equal(after, code === 429 ? "5" : null);
  }
});

test("one password that comes many times at once is checked once", async () => {
  await using registry = await team({ users: { ada: "secret" } });
  const codes = await Promise.all(
    Array.from({ length: 200 }, () => status(`${registry.url}/v2/`, basic("ada", "secret"))),
  );
  assert.deepEqual([...new Set(codes)], [200]);
});

test("passwords by plain HTTP for the network: said once, at the start", async () => {
  await using open = await team({ users: USERS, host: "0.0.0.0" });
  assert.match(open.said.join(), /in clear/);
  await using own = await team({ users: USERS });
  assert.deepEqual(own.said, []);
});

test("a file without users is told at the start", async () => {
  await using registry = await team({ users: {} });
  assert.match(registry.said.join(), /^warning: \S+users names no user: nobody can log in$/);
  assert.equal(await status(`${registry.url}/v2/`, basic("ada", "secret")), 401);
});
