import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { dockerCredentials, logout } from "../../src/auth/index.ts";
import { quietCall } from "../../src/base/index.ts";
import { login } from "../../src/remote/index.ts";
import { codeOf } from "../contract/store.ts";
import { peer, reply } from "../remote/peer.ts";

const call = quietCall();
const pair = (user: string, password: string): string =>
  Buffer.from(`${user}:${password}`).toString("base64");

interface Home extends AsyncDisposable {
  readonly path: string;
  readonly file: string;
  readonly env: Record<string, string>;
  read(): Promise<string>;
}

/** A home folder with docker's config in it, or without. */
async function home(config?: unknown): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "imgvol-home-"));
  const file = join(path, ".docker", "config.json");
  if (config !== undefined) {
    await mkdir(join(path, ".docker"));
    await writeFile(file, typeof config === "string" ? config : JSON.stringify(config));
  }
  return {
    path,
    file,
    env: {
      HOME: path,
      XDG_RUNTIME_DIR: join(path, "run"),
      PATH: `${join(path, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    },
    read: () => readFile(file, "utf8"),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

/** A credential helper that keeps one secret in a file, and says so in another. */
async function helper(at: Home, name: string): Promise<void> {
  await mkdir(join(at.path, "bin"), { recursive: true });
  const program = join(at.path, "bin", `docker-credential-${name}`);
  const kept = join(at.path, "kept");
  const script = `#!/bin/sh
input=$(cat)
case "$1" in
  store) printf '%s' "$input" > '${kept}' ;;
  erase) rm '${kept}' ;;
  get) if [ -f '${kept}' ]; then cat '${kept}'; else echo 'credentials not found in native keychain'; exit 1; fi ;;
esac
`;
  await writeFile(program, script);
  await chmod(program, 0o755);
}

const password = (username: string, secret: string, from = "FILE"): unknown => ({
  kind: "password",
  username,
  password: secret,
  from,
});
const lookUps: readonly [string, unknown, string, string, unknown][] = [
  ["no file", undefined, "r.io", "a", undefined],
  ["an empty file", "", "r.io", "a", undefined],
  ["a pair", { auths: { "r.io": { auth: pair("me", "p:w") } } }, "r.io", "a", password("me", "p:w")],
  [
    "two fields",
    { auths: { "r.io": { username: "me", password: "pw" } } },
    "r.io",
    "a",
    password("me", "pw"),
  ],
  ["another port", { auths: { "r.io:5000": { auth: pair("me", "pw") } } }, "r.io", "a", undefined],
  [
    "an old key",
    { auths: { "https://r.io/v1/": { auth: pair("me", "pw") } } },
    "r.io",
    "a",
    password("me", "pw"),
  ],
  [
    "Docker Hub",
    { auths: { "https://index.docker.io/v1/": { auth: pair("me", "pw") } } },
    "docker.io",
    "library/x",
    password("me", "pw"),
  ],
  [
    "the nearest repository",
    { auths: { "r.io": { auth: pair("far", "1") }, "r.io/team": { auth: pair("near", "2") } } },
    "r.io",
    "team/app",
    password("near", "2"),
  ],
  [
    "not a repository of a similar name",
    { auths: { "r.io/team": { auth: pair("near", "2") } } },
    "r.io",
    "teams",
    undefined,
  ],
  [
    "an identity token",
    { auths: { "r.io": { auth: pair("me", ""), identitytoken: "id" } } },
    "r.io",
    "a",
    { kind: "identity-token", token: "id", from: "FILE" },
  ],
  [
    "an access token",
    { auths: { "r.io": { registrytoken: "t" } } },
    "r.io",
    "a",
    { kind: "access-token", token: "t", from: "FILE" },
  ],
  ["nonsense", { auths: { "r.io": { auth: 5 }, x: null } }, "r.io", "a", undefined],
  ["auths that are none", { auths: [] }, "r.io", "a", undefined],
];
for (const [name, config, registry, repository, expected] of lookUps) {
  test(`credentials: ${name}`, async () => {
    await using at = await home(config);
    const found = await dockerCredentials(at.env).get(registry, repository, call);
    assert.deepEqual(found && { ...found, from: found.from === at.file ? "FILE" : found.from }, expected);
  });
}

test("credentials: DOCKER_CONFIG and REGISTRY_AUTH_FILE say where", async () => {
  await using at = await home({ auths: { "r.io": { auth: pair("home", "1") } } });
  const folder = join(at.path, "elsewhere");
  await mkdir(folder);
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ auths: { "r.io": { auth: pair("folder", "2") } } }),
  );
  await writeFile(
    join(folder, "auth.json"),
    JSON.stringify({ auths: { "r.io": { auth: pair("file", "3") } } }),
  );
  const here = { ...at.env, DOCKER_CONFIG: folder };
  const [config, auth] = [join(folder, "config.json"), join(folder, "auth.json")];
  assert.deepEqual(await dockerCredentials(here).get("r.io", "a", call), password("folder", "2", config));
  const there = { ...here, REGISTRY_AUTH_FILE: auth };
  assert.deepEqual(await dockerCredentials(there).get("r.io", "a", call), password("file", "3", auth));
});

test("credentials: a broken file is told without its secrets", async () => {
  await using at = await home('{"auths": {"r.io": {"auth": "c2VjcmV0OnNlY3JldA=="} x');
  await assert.rejects(
    dockerCredentials(at.env).get("r.io", "a", call),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "credentials-unreadable");
      assert.match(error.message, /config\.json/);
      assert.doesNotMatch(`${error.stack}${String(error.cause)}`, /c2VjcmV0/);
      return true;
    },
  );
});

test("credentials: an access token that could not go into a header is told, without it", async () => {
  for (const registrytoken of ["secret\r\nhost: x", "secret token", "secrét"]) {
    await using at = await home({ auths: { "r.io": { registrytoken } } });
    await assert.rejects(dockerCredentials(at.env).get("r.io", "a", call), {
      code: "credentials-unreadable",
      message: /config\.json: its "registrytoken" for r\.io cannot be a token$/,
    });
  }
});

test("credential helpers: of one registry, and for all; one that is missing or fails is named", async () => {
  await using at = await home({ credHelpers: { "r.io": "vault" }, credsStore: "gone" });
  await helper(at, "vault");
  const provider = dockerCredentials(at.env);
  assert.equal(await provider.get("r.io", "a", call), undefined);
  await writeFile(join(at.path, "kept"), JSON.stringify({ ServerURL: "r.io", Username: "me", Secret: "pw" }));
  assert.deepEqual(await provider.get("r.io", "a", call), password("me", "pw", "docker-credential-vault"));
  await writeFile(
    join(at.path, "kept"),
    JSON.stringify({ ServerURL: "r.io", Username: "<token>", Secret: "id" }),
  );
  assert.deepEqual(await provider.get("r.io", "a", call), {
    kind: "identity-token",
    token: "id",
    from: "docker-credential-vault",
  });
  await writeFile(join(at.path, "kept"), "sekret, but no JSON");
  await assert.rejects(provider.get("r.io", "a", call), {
    code: "helper-failed",
    message: /^(?!.*sekret).*vault/,
  });
  await assert.rejects(provider.get("other.io", "a", call), {
    code: "helper-failed",
    message: /docker-credential-gone/,
  });
});

test("credential helpers: a name that leads elsewhere is not run", async () => {
  await using at = await home({ credsStore: "x/../../bin/sh" });
  assert.equal(await codeOf(dockerCredentials(at.env).get("r.io", "a", call)), "helper-failed");
});

test("a helper that is missing does not keep anybody from what is public", async () => {
  await using at = await home({ credsStore: "gone" });
  await using registry = await peer((seen, response) => {
    if (seen.path.startsWith("/token")) return reply(response, 200, {}, '{"token":"t"}');
    if (seen.headers.authorization === "Bearer t") return reply(response, 404);
    reply(response, 401, { "www-authenticate": `Bearer realm="http://${seen.headers.host}/token"` });
  });
  const store = registry.open({ credentials: dockerCredentials(at.env) });
  assert.equal(await codeOf(store.resolve("v1", call)), "not-found");
});

const me = { username: "me", password: "p:w" };
const basic: Parameters<typeof peer>[0] = (seen, response) => {
  const known = seen.headers.authorization === `Basic ${pair("me", "p:w")}`;
  reply(response, known ? 200 : 401, { "www-authenticate": "Basic realm=x" });
};

test("login asks the registry, then writes a file for its owner alone, and keeps what else is in it", async () => {
  const before = `{\n  "detachKeys": "ctrl-x",\n  "auths": {\n    "b.io": { "auth": "YTpi" }\n  },\n  "z": [1]\n}\n`;
  await using at = await home(before);
  await using registry = await peer(basic);
  const options = { ...registry.options, env: at.env };
  await assert.rejects(login(registry.host, { username: "me", password: "wrong" }, options, call), {
    code: "credentials-wrong",
    message: /^(?!.*wrong).*the password of "me" was refused/,
  });
  assert.equal(await at.read(), before);
  assert.deepEqual(await login(registry.host, me, options, call), {
    in: at.file,
    asked: true,
    kept: "password",
    unencrypted: true,
  });
  assert.equal((await stat(at.file)).mode & 0o777, 0o600);
  assert.equal(
    await at.read(),
    `{\n  "detachKeys": "ctrl-x",\n  "auths": {\n    "b.io": {\n      "auth": "YTpi"\n    },\n    "${registry.host}": {\n      "auth": "${pair("me", "p:w")}"\n    }\n  },\n  "z": [\n    1\n  ]\n}\n`,
  );
  const found = await dockerCredentials(at.env).get(registry.host, "a", call);
  assert.deepEqual(found, password("me", "p:w", at.file));
  assert.deepEqual(await logout(registry.host, { env: at.env }, call), { from: [at.file], left: [] });
  assert.deepEqual(await logout(registry.host, { env: at.env }, call), { from: [], left: [] });
  assert.deepEqual(JSON.parse(await at.read()), JSON.parse(before));
});

test("login makes a file where there is none, as docker would, and keeps a link a link", async () => {
  await using registry = await peer(basic);
  await using at = await home();
  await login(registry.host, me, { ...registry.options, env: at.env }, call);
  assert.equal(
    await at.read(),
    `{\n\t"auths": {\n\t\t"${registry.host}": {\n\t\t\t"auth": "${pair("me", "p:w")}"\n\t\t}\n\t}\n}\n`,
  );
  assert.equal((await stat(join(at.path, ".docker"))).mode & 0o777, 0o700);

  await using linked = await home();
  const real = join(linked.path, "dotfiles.json");
  await writeFile(real, "{}");
  await mkdir(join(linked.path, ".docker"));
  await symlink(real, linked.file);
  await login(registry.host, me, { ...registry.options, env: linked.env }, call);
  assert.match(await readFile(real, "utf8"), /"auths"/);
});

test("login and logout leave the secret to the helper that the config names", async () => {
  await using at = await home({ credsStore: "vault" });
  await helper(at, "vault");
  await using registry = await peer(basic);
  const before = await at.read();
  const options = { ...registry.options, env: at.env };
  assert.deepEqual(await login(registry.host, me, options, call), {
    in: "docker-credential-vault",
    asked: true,
    kept: "password",
    unencrypted: false,
  });
  assert.deepEqual(JSON.parse(await readFile(join(at.path, "kept"), "utf8")), {
    ServerURL: registry.host,
    Username: "me",
    Secret: "p:w",
  });
  const found = await dockerCredentials(at.env).get(registry.host, "a", call);
  assert.deepEqual(found, password("me", "p:w", "docker-credential-vault"));
  const forgotten = { from: ["docker-credential-vault"], left: [] };
  assert.deepEqual(await logout(registry.host, { env: at.env }, call), forgotten);
  assert.deepEqual(await logout(registry.host, { env: at.env }, call), { from: [], left: [] });
  assert.equal(await at.read(), before);
});
