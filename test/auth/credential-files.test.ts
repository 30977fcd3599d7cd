import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { credentialFiles, dockerCredentials, logout } from "../../src/auth/index.ts";
import { lock, quietCall } from "../../src/base/index.ts";
import { login } from "../../src/remote/index.ts";
import { ended, start } from "../cli/imgvol.ts";
import { type Behaviour, peer, reply } from "../remote/peer.ts";

// Several files and helpers at once: in which order they are asked, and what login and logout leave in them.

const call = quietCall();
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const auth = (pair: string): { auth: string } => ({ auth: base64(pair) });

interface Home extends AsyncDisposable {
  readonly path: string;
  readonly env: Record<string, string>;
  /** The session's, the lasting one, and docker's. */
  readonly files: readonly [string, string, string];
  write(file: string, config: unknown): Promise<void>;
  helper(name: string, script: string): Promise<void>;
}

async function home(): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "imgvol-home-"));
  const at = (...parts: string[]): string => join(path, ...parts);
  return {
    path,
    env: {
      HOME: path,
      XDG_RUNTIME_DIR: at("run"),
      // Not the tester's own: a folder in it that may not be looked into would be told instead of what is missing.
      PATH: [at("bin"), "/usr/bin", "/bin"].join(delimiter),
    },
    files: [at("run/containers/auth.json"), at(".config/containers/auth.json"), at(".docker/config.json")],
    async write(file, config) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, typeof config === "string" ? config : JSON.stringify(config));
    },
    async helper(name, script) {
      await mkdir(at("bin"), { recursive: true });
      const program = at("bin", `docker-credential-${name}`);
      await writeFile(program, `#!/bin/sh\n${script}\n`);
      await chmod(program, 0o755);
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

test("the files are podman's, and then docker's; one that is named stands alone", () => {
  const env = { HOME: "/h", XDG_RUNTIME_DIR: "/r" };
  const docker = "/h/.docker/config.json";
  const cases: readonly [Record<string, string>, string[]][] = [
    [env, ["/r/containers/auth.json", "/h/.config/containers/auth.json", docker]],
    [{ ...env, XDG_CONFIG_HOME: "/c" }, ["/r/containers/auth.json", "/c/containers/auth.json", docker]],
    [{ ...env, DOCKER_CONFIG: "/d" }, ["/d/config.json"]],
    [{ ...env, DOCKER_CONFIG: "/d", REGISTRY_AUTH_FILE: "/f" }, ["/f"]],
    [{ ...env, DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" }, credentialFiles(env) as string[]],
  ];
  for (const [given, expected] of cases) assert.deepEqual(credentialFiles(given), expected);
  assert.equal(credentialFiles({ HOME: "/h" }).at(-1), docker);
});

test("what has no entry in one file is looked up in the next; a broken one is in nobody's way", async () => {
  await using at = await home();
  const [session, lasting, docker] = at.files;
  const get = async (registry: string, repository = "a"): Promise<string> => {
    const found = await dockerCredentials(at.env).get(registry, repository, call);
    return found?.kind === "password" ? `${found.username} ${found.from?.slice(at.path.length)}` : "";
  };
  await at.write(docker, { auths: { "r.io": auth("docker:1"), "d.io": auth("docker:1") } });
  await at.write(lasting, { auths: { "r.io": auth("lasting:1"), "r.io/team": auth("team:1") } });
  await at.write(session, { auths: { "r.io": auth("session:1") }, credHelpers: { "e.io": "empty" } });
  await at.helper("empty", "echo 'credentials not found in native keychain'; exit 1");
  assert.equal(await get("r.io"), "session /run/containers/auth.json");
  assert.equal(await get("d.io"), "docker /.docker/config.json");
  assert.equal(await get("e.io"), "");
  // The file comes first, then the nearest key in it: as podman has it.
  assert.equal(await get("r.io", "team/app"), "session /run/containers/auth.json");
  await at.write(session, "{ broken");
  assert.equal(await get("r.io", "team/app"), "team /.config/containers/auth.json");
  assert.equal(await get("r.io"), "lasting /.config/containers/auth.json");
  await assert.rejects(get("x.io"), {
    code: "credentials-unreadable",
    message: /run\/containers\/auth\.json/,
  });
});

const pairs: readonly [string, string, unknown][] = [
  ["a colon in the password", base64("me:a:b::c"), ["me", "a:b::c"]],
  ["unicode", base64("jürgen@例え.jp:pässwörd 🗝"), ["jürgen@例え.jp", "pässwörd 🗝"]],
  ["no name", base64(":token"), ["", "token"]],
  ["no password", base64("me:"), undefined],
  ["spaces and quotes", base64(`me: "a'b\\`), ["me", ` "a'b\\`]],
  ["zeros at its end", base64("me:pw\0\0\0"), ["me", "pw"]],
  ["no padding", base64("me:pass1").replace(/=+$/, ""), ["me", "pass1"]],
  ["base64 for URLs", Buffer.from("me:??>>~~").toString("base64url"), ["me", "??>>~~"]],
  ["line breaks", base64(`me:${"x".repeat(100)}`).replace(/(.{40})/g, "$1\n"), ["me", "x".repeat(100)]],
  ["no colon", base64("mepw"), "credentials-unreadable"],
  ["no base64", "%%%", "credentials-unreadable"],
];
for (const [name, text, expected] of pairs) {
  test(`auth with ${name}`, async () => {
    await using at = await home();
    await at.write(at.files[2], { auths: { "r.io": { auth: text } } });
    const get = dockerCredentials(at.env).get("r.io", "a", call);
    // Awaited here: a promise returned would be read after the folder is gone, which is no broken file.
    if (typeof expected === "string") return await assert.rejects(get, { code: expected, message: /r\.io/ });
    const found = await get;
    assert.deepEqual(found?.kind === "password" ? [found.username, found.password] : found, expected);
  });
}

const helpers: readonly [string, string, string | undefined, RegExp][] = [
  ["fails", "echo sekret; echo sekret >&2; exit 3", undefined, /`get` ended with 3/],
  ["prints garbage", "echo sekret garbage", undefined, /did not answer in JSON/],
  ["prints a list", "echo '[\"sekret\"]'", undefined, /did not answer in JSON/],
  ["forgets the name", `echo '{"Secret":"sekret"}'`, undefined, /without a Username/],
  ["prints without end", "yes sekret", undefined, /more than 1 MiB/],
  ["hangs", "exec sleep 600", undefined, /did not end within/],
  ["hangs in another program", "sleep 600", undefined, /did not end within/],
  ["is killed", "kill -9 $$", undefined, /ended with a signal/],
  ["may not be run", "", "chmod", /may not be run|EACCES/],
  ["is missing", "", "missing", /not in any folder of PATH/],
];
for (const [name, script, change, message] of helpers) {
  test(`a helper that ${name} is told by name, and what it said is not`, async () => {
    await using at = await home();
    await at.write(at.files[2], { credsStore: "vault" });
    if (change !== "missing") await at.helper("vault", script);
    if (change === "chmod") await chmod(join(at.path, "bin/docker-credential-vault"), 0o600);
    // Long enough for all that do not hang.
    const helperTimeout = name.startsWith("hangs") ? 50 : 30_000;
    const get = dockerCredentials(at.env, { helperTimeout }).get("r.io", "a", call);
    await assert.rejects(get, (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "helper-failed");
      assert.match(error.message, /docker-credential-vault/);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", /`echo r\.io \| docker-credential-vault get`/);
      assert.doesNotMatch(`${error.stack}${error.hint}${error.cause}`, /sekret/);
      return true;
    });
  });
}

test("a helper that hangs ends with the call", async () => {
  await using at = await home();
  await at.write(at.files[2], { credsStore: "vault" });
  const begun = join(at.path, "begun");
  await at.helper("vault", `echo > '${begun}'; sleep 600`);
  const gone = new AbortController();
  const get = dockerCredentials(at.env).get("r.io", "a", quietCall(gone.signal));
  gone.abort(new Error("enough"));
  await assert.rejects(get, /enough/);
});

const basic: Behaviour = (seen, response) => {
  const known = seen.headers.authorization === `Basic ${base64("me:sekret")}`;
  reply(response, known ? 200 : 401, { "www-authenticate": "Basic realm=x" });
};
const me = { username: "me", password: "sekret" };

test("login writes where the registry's credentials are found, so that they are the ones that count", async () => {
  await using registry = await peer(basic);
  for (const place of [0, 1, 2] as const) {
    await using at = await home();
    await at.write(at.files[place], { auths: { [registry.host]: auth("old:one") } });
    const options = { ...registry.options, env: at.env };
    assert.equal((await login(registry.host, me, options, call)).in, at.files[place]);
    const found = await dockerCredentials(at.env).get(registry.host, "a", call);
    assert.deepEqual(found, { kind: "password", ...me, from: at.files[place] });
    assert.deepEqual((await logout(registry.host, { env: at.env }, call)).from, [at.files[place]]);
  }
});

test("logout forgets a registry everywhere, and tells what it leaves", async () => {
  await using at = await home();
  const [session, lasting, docker] = at.files;
  const store = join(at.path, "kept");
  await at.helper(
    "vault",
    `case $1 in get) cat '${store}' 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;; erase) rm '${store}' ;; esac`,
  );
  await at.write(store, { Username: "me", Secret: "pw" });
  await at.write(session, {
    auths: { "docker.io": auth("me:1"), "docker.io/team": auth("me:2"), "r.io": auth("me:3") },
  });
  await at.write(lasting, { auths: {} });
  await at.write(docker, { auths: { "https://index.docker.io/v1/": {} }, credsStore: "vault", z: 1 });
  assert.deepEqual(await logout("docker.io", { env: at.env }, call), {
    from: [session, "docker-credential-vault", docker],
    left: [{ key: "docker.io/team", in: session }],
  });
  assert.deepEqual(JSON.parse(await readFile(session, "utf8")), {
    auths: { "docker.io/team": auth("me:2"), "r.io": auth("me:3") },
  });
  assert.deepEqual(JSON.parse(await readFile(docker, "utf8")), { auths: {}, credsStore: "vault", z: 1 });
  assert.equal(await readFile(lasting, "utf8"), '{"auths":{}}');
});

test("a helper that fails is told after the other places were seen to", async () => {
  await using at = await home();
  await at.write(at.files[0], { auths: { "r.io": auth("me:1") }, credHelpers: { "r.io": "gone" } });
  await at.write(at.files[2], { auths: { "r.io": auth("me:1") } });
  await assert.rejects(logout("r.io", { env: at.env }, call), { code: "helper-failed" });
  for (const file of [at.files[0], at.files[2]]) {
    assert.deepEqual(JSON.parse(await readFile(file, "utf8")).auths, {});
  }
});

test("a file that cannot be written keeps no password in the others", async () => {
  await using at = await home();
  const [session, lasting, docker] = at.files;
  for (const file of at.files) await at.write(file, { auths: { "r.io": auth("me:1") } });
  // What stands in the way of root, too.
  await symlink(`${session}.imgvol.lock`, `${session}.imgvol.lock`);
  await mkdir(`${lasting}.imgvol.lock`);
  await assert.rejects(logout("r.io", { env: at.env }, call), {
    code: "folder-unwritable",
    message: new RegExp(dirname(session)),
  });
  assert.deepEqual(JSON.parse(await readFile(docker, "utf8")).auths, {});
});

test("a logout from what is no registry's name is refused: nobody is to think that it forgot anything", async () => {
  await using at = await home();
  await at.write(at.files[2], { auths: { "r.io": auth("me:1") } });
  for (const name of ["https://r.io", "r.io/team", "r.io/", ""]) {
    await assert.rejects(logout(name, { env: at.env }, call), { code: "reference-invalid", wrongUse: true });
  }
});

test("where a helper takes the password, the old one does not stay in the file", async () => {
  await using at = await home();
  await using registry = await peer(basic);
  await at.helper("vault", "cat > /dev/null");
  await at.write(at.files[2], { auths: { [registry.host]: auth("me:old") }, credsStore: "vault" });
  const done = await login(registry.host, me, { ...registry.options, env: at.env }, call);
  assert.equal(done.in, "docker-credential-vault");
  assert.deepEqual(JSON.parse(await readFile(at.files[2], "utf8")), { auths: {}, credsStore: "vault" });
});

test("login keeps the identity token that it is given for the password, and the password nowhere", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.path.startsWith("/token")) {
      const offline = seen.path.includes("offline_token=true") && seen.path.includes("client_id=imgvol");
      return reply(
        response,
        200,
        {},
        JSON.stringify({ token: "t", ...(offline ? { refresh_token: "id" } : {}) }),
      );
    }
    if (seen.headers.authorization === "Bearer t") return reply(response, 200);
    reply(response, 401, { "www-authenticate": `Bearer realm="http://${seen.headers.host}/token"` });
  });
  await using at = await home();
  const options = { ...registry.options, env: at.env };
  const done = await login(registry.host, me, options, call);
  assert.deepEqual(done, { in: at.files[2], asked: true, kept: "identity-token", unencrypted: true });
  assert.doesNotMatch(
    await readFile(at.files[2], "utf8"),
    new RegExp(`sekret|${base64("sekret").slice(0, 6)}`),
  );
  const found = await dockerCredentials(at.env).get(registry.host, "a", call);
  assert.deepEqual(found, { kind: "identity-token", token: "id", from: at.files[2] });
});

test("a name with a colon is refused before anything is sent", async () => {
  await using at = await home();
  await using registry = await peer(basic);
  const user = { username: "a:b", password: "x" };
  const options = { ...registry.options, env: at.env };
  await assert.rejects(login(registry.host, user, options, call), { code: "credentials-wrong" });
  assert.equal(registry.seen.length, 0);
});

test("logins at the same time, by processes and by calls, do not lose each other's entry, and leave nothing else", async () => {
  await using at = await home();
  const [, , file] = at.files;
  await at.write(file, { auths: { "old.io": auth("a:b") } });
  const crashed = `${file}.${randomUUID()}.tmp`;
  await at.write(crashed, "sekret of a login that was killed");
  await at.write(`${file}.mine.tmp`, "not ours");
  const registries = await Promise.all(Array.from({ length: 6 }, () => peer(basic)));
  try {
    const done = await Promise.all(
      registries.map(async (registry, i) => {
        if (i % 3 !== 0) return login(registry.host, me, { ...registry.options, env: at.env }, call);
        const args = ["login", registry.host, "-u", "me", "--password-stdin", "--json"];
        const ran = await ended(start(args, { env: at.env }), "sekret\n");
        assert.equal(ran.code, 0, ran.stderr);
        assert.match(ran.stderr, /warning: the password lies in .* unencrypted/);
        assert.doesNotMatch(ran.stdout + ran.stderr, /sekret/);
        return JSON.parse(ran.stdout);
      }),
    );
    assert.deepEqual(new Set(done.map((d) => d.in)), new Set([file]));
  } finally {
    for (const registry of registries) await registry[Symbol.asyncDispose]();
  }
  const { auths } = JSON.parse(await readFile(file, "utf8"));
  assert.deepEqual(Object.keys(auths).sort(), ["old.io", ...registries.map((r) => r.host)].sort());
  assert.deepEqual((await readdir(dirname(file))).sort(), ["config.json", "config.json.mine.tmp"]);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("a login that is cancelled while another one writes changes nothing", async () => {
  await using at = await home();
  await using registry = await peer(basic);
  const [, , file] = at.files;
  await at.write(file, {});
  const held = await lock(`${file}.imgvol.lock`, "exclusive", call);
  const gone = new AbortController();
  const options = { ...registry.options, env: at.env };
  const waits = login(registry.host, me, options, quietCall(gone.signal));
  gone.abort();
  await assert.rejects(waits, { name: "AbortError" });
  await held[Symbol.asyncDispose]();
  assert.equal(await readFile(file, "utf8"), "{}");
});
