import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type ByteSource, fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { type Descriptor, MediaType, type Store, type StoreError } from "../../src/oci/index.ts";
import { copy, dockerCredentials, memoryStore, openRemote } from "../../src/store/index.ts";
import { ended, imgvol } from "../cli/imgvol.ts";
import { putImage, someBytes } from "../contract/store.ts";
import { crane } from "../peers/crane.ts";
import { dockerRegistry } from "../peers/docker-registry.ts";
import { oras } from "../peers/oras.ts";
import { type Peer, programOf, run } from "../peers/program.ts";
import { skopeo } from "../peers/skopeo.ts";
import {
  type AuthRegistry,
  assertNoSecret,
  type Home,
  openHome,
  spellings,
  startHtpasswdRegistry,
  startTokenRegistry,
  TOKEN_REGISTRIES,
  type TokenRegistry,
} from "./auth-registries.ts";

// Logging in to registries of others, and to ours: by a file of users, and by a token server of its own.

const call = quietCall();
const SECRET = "s3kret-Pä:ss w0rd/+";
const WRONG = "wr0ng-Pä:ss w0rd/+";
const SECRETS = [...spellings("ann", SECRET), ...spellings("ann", WRONG), ...spellings("bob", SECRET)];
const auth = (user: string, password: string): { auth: string } => ({
  auth: Buffer.from(`${user}:${password}`).toString("base64"),
});
const USERS = {
  ann: { password: SECRET, rights: { "*": ["pull", "push", "delete"] } },
  bob: { password: SECRET, rights: { "team/app": ["pull"] } },
};
const anonymous = { "public/app": ["pull"] };

interface Expected {
  readonly code: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

/** Runs a verb that has to fail: as a process that says all that it can, and as a call, whose error has a code. */
async function refused(
  args: readonly string[],
  at: Home,
  registry: AuthRegistry,
  work: (open: (repository: string) => Store) => Promise<unknown>,
  expected: Expected,
): Promise<void> {
  const ran = await imgvol([...args, "--verbose"], { env: at.env });
  assert.equal(ran.code, 3, ran.stderr);
  assert.match(ran.stderr, expected.message);
  assert.match(ran.stderr, expected.hint);
  const network = new Network({ env: {} });
  try {
    const options = { network, credentials: dockerCredentials(at.env), retry: { attempts: 1 } };
    const open = (repository: string): Store => openRemote({ registry: registry.host, repository }, options);
    await assert.rejects(work(open), (error: StoreError) => {
      assert.equal(error.code, expected.code, error.message);
      assert.match(error.message, expected.message);
      assert.match(error.hint ?? "", expected.hint);
      return true;
    });
  } finally {
    network[Symbol.dispose]();
  }
  assertNoSecret(ran.stdout, SECRETS, "stdout");
  assertNoSecret(ran.stderr, SECRETS, "stderr");
  assertNoSecret(await at.remains(), SECRETS, "what is left on the disk");
  assertNoSecret(registry.accessLog.join("\n"), SECRETS, "the access log");
}

const push = (open: (repository: string) => Store): Promise<unknown> => putImage(open("team/app"), 1);
const pull = (open: (repository: string) => Store): Promise<unknown> => open("team/app").resolve("1", call);

for (const which of [dockerRegistry, "ours"] as const) {
  const name = which === "ours" ? "our registry" : which.name;

  test(`${name} with a file of users: login, push, pull, logout`, async () => {
    await using registry = await startHtpasswdRegistry(which, { ann: SECRET });
    await using at = await openHome();
    const { env } = at;
    const ref = `${registry.host}/team/app:1`;
    const login = ["login", registry.host, "-u", "ann", "--password-stdin"];
    const ran = [
      await imgvol(login, { env, input: `${SECRET}\n` }),
      await imgvol(["pack", at.tree, "-t", ref], { env }),
      await imgvol(["copy", ref, `oci:${at.at("copy")}:1`, "--verbose"], { env }),
      await imgvol(["mount", ref, at.at("mounted")], { env }),
      await imgvol(["unmount", at.at("mounted")], { env }),
      await imgvol(["logout", registry.host], { env }),
    ];
    for (const { code, stderr } of ran) assert.equal(code, 0, stderr);
    assert.match(ran[0]?.stderr ?? "", /warning: the password lies in .* unencrypted/);
    assertNoSecret(ran.map((r) => r.stdout + r.stderr).join("\n"), SECRETS, "a verb");
    assertNoSecret(await at.remains(), SECRETS, "what is left on the disk");
    assertNoSecret(registry.accessLog.join("\n"), SECRETS, "the access log");
    assert.equal((await imgvol(["tags", `${registry.host}/team/app`], { env })).code, 3);
  });

  test(`${name} with a file of users: a wrong password, nobody, and helpers that fail`, async () => {
    await using registry = await startHtpasswdRegistry(which, { ann: SECRET });
    await using at = await openHome();
    const { host } = registry;
    const tags = ["tags", `${host}/team/app`];
    await at.write({ auths: { [host]: auth("ann", WRONG) } });
    await refused(tags, at, registry, pull, {
      code: "credentials-wrong",
      message: /team\/app: .* answered 401.*the password of "ann" from .*config\.json was refused/,
      hint: /imgvol login/,
    });
    await at.write({});
    await refused(["pack", at.tree, "-t", `${host}/team/app:1`], at, registry, push, {
      code: "credentials-missing",
      message: /team\/app: .* answered 401.*no credentials for /,
      hint: /imgvol login/,
    });
    await at.write({ credsStore: "gone" });
    await refused(tags, at, registry, pull, {
      code: "helper-failed",
      message: /docker-credential-gone failed: it is not in any folder of PATH/,
      hint: /install it/,
    });
    await at.helper("broken", `echo '${SECRET}'; echo '${SECRET}' >&2; exit 1`);
    await at.write({ credHelpers: { [host]: "broken" } });
    await refused(tags, at, registry, pull, {
      code: "helper-failed",
      message: /docker-credential-broken failed: `get` ended with 1/,
      hint: /docker-credential-broken get/,
    });
    await at.write('{ "auths": { broken');
    await writeFile(at.config, `{"auths":{"${host}":{"auth":"${auth("ann", SECRET).auth}"}} broken`);
    await refused(tags, at, registry, pull, {
      code: "credentials-unreadable",
      message: /config\.json: it is not a JSON object/,
      hint: /mend the file/,
    });
  });

  test(`${name} with a file of users: a login that is refused writes nothing; a helper keeps one that is not`, async () => {
    await using registry = await startHtpasswdRegistry(which, { ann: SECRET });
    await using at = await openHome();
    const { env } = at;
    const vault = at.at("vault");
    await at.helper(
      "vault",
      `case $1 in
  store) cat > '${vault}' ;;
  get) cat '${vault}' 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
  erase) rm '${vault}' ;;
esac`,
    );
    await at.write({ credsStore: "vault" });
    const login = ["login", registry.host, "-u", "ann", "--password-stdin", "--verbose"];
    const wrong = await imgvol(login, { env, input: WRONG });
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /the password of "ann" was refused/);
    await assert.rejects(readFile(vault), { code: "ENOENT" });
    const right = await imgvol([...login, "--json"], { env, input: SECRET });
    assert.equal(right.code, 0, right.stderr);
    assert.deepEqual(JSON.parse(right.stdout), {
      registry: registry.host,
      username: "ann",
      in: "docker-credential-vault",
      asked: true,
      kept: "password",
      unencrypted: false,
    });
    const pack = await imgvol(["pack", at.tree, "-t", `${registry.host}/team/app:1`, "--verbose"], { env });
    assert.equal(pack.code, 0, pack.stderr);
    const logout = await imgvol(["logout", registry.host], { env });
    assert.match(logout.stderr, /forgot .* in docker-credential-vault/);
    await assert.rejects(readFile(vault), { code: "ENOENT" });
    assert.equal(await readFile(at.config, "utf8"), '{"credsStore":"vault"}');
    const said = [wrong, right, pack, logout].map((r) => r.stdout + r.stderr).join("\n");
    assertNoSecret(said, SECRETS, "a verb");
    assertNoSecret(await at.remains(), SECRETS, "what is left on the disk");
  });
}

/** How others log in, and look at what needs a login. */
const CLIENTS: readonly {
  readonly name: string;
  readonly peer: Peer;
  login(host: string): string[];
  tags(host: string): string[];
}[] = [
  {
    name: "crane",
    peer: crane,
    login: (host) => ["auth", "login", host, "-u", "ann", "--password-stdin"],
    tags: (host) => ["ls", `${host}/team/app`],
  },
  {
    name: "oras",
    peer: oras,
    login: (host) => ["login", "--plain-http", host, "-u", "ann", "--password-stdin"],
    tags: (host) => ["repo", "tags", "--plain-http", `${host}/team/app`],
  },
  {
    name: "skopeo",
    peer: skopeo,
    login: (host) => ["login", "--tls-verify=false", host, "-u", "ann", "--password-stdin"],
    tags: (host) => ["list-tags", "--tls-verify=false", `docker://${host}/team/app`],
  },
];
for (const { name, peer, login, tags } of CLIENTS) {
  test(`who logs in with imgvol is logged in for ${name}, and the other way round`, async () => {
    await using registry = await startHtpasswdRegistry("ours", { ann: SECRET });
    const { host } = registry;
    const ours = ["login", host, "-u", "ann", "--password-stdin"];
    const program = await programOf(peer);
    {
      await using at = await openHome();
      const { env } = at;
      assert.equal((await imgvol(ours, { env, input: SECRET })).code, 0);
      assert.equal((await imgvol(["pack", at.tree, "-t", `${host}/team/app:1`], { env })).code, 0);
      assert.match((await run(program, tags(host), { env })).stdout, /\b1\b/);
    }
    await using at = await openHome();
    const { env } = at;
    const theirs = await ended(spawn(program, login(host), { env: { ...process.env, ...env } }), SECRET);
    assert.equal(theirs.code, 0, theirs.stderr);
    assert.equal((await imgvol(["tags", `${host}/team/app`], { env })).stdout, "1\n");
    // Where theirs was kept ours replaces it, and a logout leaves nothing of it.
    assert.equal((await imgvol(ours, { env, input: SECRET })).code, 0);
    assert.equal((await imgvol(["logout", host], { env })).code, 0);
    assert.notEqual((await run(program, tags(host), { env, codes: [0, 1] })).code, 0);
    assert.equal((await imgvol(["tags", `${host}/team/app`], { env })).code, 3);
  });
}

for (const peer of TOKEN_REGISTRIES) {
  const start = (more = {}): Promise<TokenRegistry> =>
    startTokenRegistry(peer, USERS, { anonymous, ...more });

  test(`${peer.name} with a token server: one token for a push, one for a pull, one for a mount`, async () => {
    await using registry = await start();
    await using at = await openHome();
    using network = new Network({ env: {} });
    await at.write({ auths: { [registry.host]: auth("ann", SECRET) } });
    const options = { network, credentials: dockerCredentials(at.env) };
    const one = openRemote({ registry: registry.host, repository: "team/app" }, options);
    const two = openRemote({ registry: registry.host, repository: "team/copy" }, options);
    const memory = memoryStore();
    await memory.tag("1", await manyLayers(memory), call);
    assert.ok((await copy(memory, "1", one, "1", { concurrency: 8 }, call)).copied > 10);
    assert.ok((await copy(one, "1", two, "1", { concurrency: 8 }, call)).mounted > 0);
    const log = await registry.tokens.log();
    const asked = log.map((line) => `${line.grant} ${line.user} ${line.scopes?.toSorted().join(" ")}`);
    assert.equal(new Set(asked).size, asked.length, `asked twice:\n${asked.join("\n")}`);
    assert.ok(
      asked.includes("basic ann repository:team/app:pull repository:team/copy:pull,push"),
      asked.join("\n"),
    );
    assert.ok(asked.length <= 5, asked.join("\n"));
  });

  test(`${peer.name} with a token server: login gets an identity token, which pushes and pulls`, async () => {
    await using registry = await start();
    await using at = await openHome();
    const { env } = at;
    const ref = `${registry.host}/team/app:1`;
    const login = ["login", registry.host, "-u", "ann", "--password-stdin", "--verbose"];
    const ran = [
      await imgvol(login, { env, input: SECRET }),
      await imgvol(["pack", at.tree, "-t", ref, "--verbose"], { env }),
      await imgvol(["copy", ref, `oci:${at.at("copy")}:1`, "--verbose"], { env }),
    ];
    for (const { code, stderr } of ran) assert.equal(code, 0, stderr);
    assert.match(ran[0]?.stderr ?? "", /the identity token is in /);
    const kept = JSON.parse(await readFile(at.config, "utf8")).auths[registry.host];
    assert.equal(Buffer.from(kept.auth, "base64").toString(), "ann:");
    const log = await registry.tokens.log();
    assert.deepEqual(
      new Set(log.slice(1).map((line) => `${line.grant} ${line.status}`)),
      new Set(["refresh_token 200"]),
    );
    const secrets = [...SECRETS, ...spellings("ann", kept.identitytoken)];
    assertNoSecret(ran.map((r) => r.stdout + r.stderr).join("\n"), secrets, "a verb");
    assertNoSecret(await at.remains(), secrets, "what is left on the disk");
    // Its token server forgets it: the next push says what to do.
    await registry.tokens.change({
      users: { ...USERS, ann: { ...USERS.ann, revoked: [kept.identitytoken] } },
      echo: true,
    });
    await refused(["pack", at.tree, "-t", ref], at, registry, push, {
      code: "token-expired",
      message:
        /answered 400 \(invalid_grant: .*\*\*\* is unknown\): the identity token from .*config\.json was refused/,
      hint: /imgvol login/,
    });
  });

  test(`${peer.name} with a token server: anonymous pull; what needs a login says so`, async () => {
    await using registry = await start();
    await using at = await openHome();
    await at.write({ auths: { [registry.host]: auth("ann", SECRET) } });
    const packed = await imgvol(["pack", at.tree, "-t", `${registry.host}/public/app:1`], { env: at.env });
    assert.equal(packed.code, 0, packed.stderr);
    // A helper that is missing keeps nobody from what is public.
    await at.write({ credsStore: "gone" });
    const tags = await imgvol(["tags", `${registry.host}/public/app`], { env: at.env });
    assert.equal(tags.stdout, "1\n", tags.stderr);
    await at.write({});
    await refused(["tags", `${registry.host}/team/app`], at, registry, pull, {
      code: "credentials-missing",
      message: /answered 401.*no credentials for /,
      hint: /imgvol login/,
    });
  });

  const refusals: readonly [
    string,
    Home["config"],
    Record<string, unknown>,
    Partial<Parameters<typeof start>[0]>,
    Expected,
  ][] = [
    [
      "a wrong password, which the token server repeats",
      "pull",
      auth("ann", WRONG),
      { echo: true },
      {
        code: "credentials-wrong",
        message:
          /token server 127.* answered 401 \(UNAUTHORIZED: who is ann:\*\*\* \(Basic \*\*\*\)\?\): the password of "ann" from .* was refused/,
        hint: /imgvol login/,
      },
    ],
    [
      "a scope that the token server leaves out",
      "push",
      auth("bob", SECRET),
      {},
      {
        code: "denied",
        message: /answered 401.*the password of "bob" from .* was accepted, but does not give the right/,
        hint: /owner/,
      },
    ],
    [
      "a scope that the token server refuses",
      "push",
      auth("bob", SECRET),
      { strict: true },
      { code: "denied", message: /answered 403 \(DENIED: .*"bob"/, hint: /owner/ },
    ],
    [
      "a token server whose clock is an hour behind",
      "pull",
      auth("ann", SECRET),
      { validFor: -3600 },
      { code: "token-expired", message: /its token server had just given/, hint: /time/ },
    ],
    [
      "a token server that has a bad day",
      "pull",
      auth("ann", SECRET),
      { fail: 429 },
      { code: "rate-limited", message: /token server .* answered 429/, hint: /limit of the account/ },
    ],
  ];
  for (const [name, how, entry, config, expected] of refusals) {
    test(`${peer.name} with a token server: ${name}: ${expected.code}`, async () => {
      await using registry = await start(config);
      await using at = await openHome();
      await at.write({ auths: { [registry.host]: entry } });
      const ref = `${registry.host}/team/app`;
      const args = how === "pull" ? ["tags", ref] : ["pack", at.tree, "-t", `${ref}:1`];
      // What a busy server asks for is waited for by the verb, but not for as long as a test may take.
      await refused(args, at, registry, how === "pull" ? pull : push, expected);
    });
  }

  test(`${peer.name} with a token server: an access token of a file that has expired`, async () => {
    await using registry = await start({ validFor: -3600 });
    await using at = await openHome();
    const token = await tokenOf(registry, "repository:team/app:pull");
    await at.write({ auths: { [registry.host]: { registrytoken: token } } });
    await refused(["tags", `${registry.host}/team/app`], at, registry, pull, {
      code: "token-expired",
      message: /the access token from .*config\.json was refused: it has expired/,
      hint: /imgvol login/,
    });
  });

  // 60 s are the leeway that both versions of distribution give to clocks.
  for (const [name, life] of [
    ["whose end we are told", { expiresIn: 2, validFor: -58 }],
    ["that ends long before it should", { expiresIn: 300, validFor: -58 }],
  ] as const) {
    test(`${peer.name} with a token server: a token ${name} is replaced in the middle of an upload`, async () => {
      await using registry = await start(life);
      await using at = await openHome();
      using network = new Network({ env: {} });
      await at.write({ auths: { [registry.host]: auth("ann", SECRET) } });
      const options = { network, credentials: dockerCredentials(at.env), retry: { delay: 1 } };
      const store = openRemote({ registry: registry.host, repository: "team/app" }, options);
      const bytes = someBytes(3_000_000, 7);
      // The upload has begun when the first chunk is asked for, and is not ended when the last one is.
      const d = await store.ingest(
        MediaType.layerTar,
        slowly(bytes, () => expired(registry)),
        call,
      );
      assert.equal(d.size, bytes.length);
      const parts: Uint8Array[] = [];
      for await (const chunk of store.read(d, call)) parts.push(Buffer.from(chunk));
      assert.ok(Buffer.concat(parts).equals(bytes));
      assert.ok((await registry.tokens.log()).length >= 3);
    });
  }
}

async function manyLayers(store: Store): Promise<Descriptor> {
  const put = (mediaType: string, bytes: Uint8Array): Promise<Descriptor> =>
    store.ingest(mediaType, fromBytes(bytes), call);
  const layers: Descriptor[] = [];
  for (let i = 0; i < 12; i++) layers.push(await put(MediaType.layerTar, someBytes(1000, i)));
  const config = await put(MediaType.config, Buffer.from("{}"));
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers };
  return put(MediaType.manifest, Buffer.from(JSON.stringify(manifest)));
}

async function tokenOf({ tokens }: TokenRegistry, scope: string): Promise<string> {
  const url = `http://${tokens.host}/token?service=registry.example&scope=${scope}`;
  const authorization = `Basic ${auth("ann", SECRET).auth}`;
  const response = await fetch(url, { headers: { authorization } });
  return JSON.parse(await response.text()).token;
}

/** Ends when a token that was given out just now, after all others, is not taken any more. */
async function expired(registry: TokenRegistry): Promise<void> {
  const authorization = `Bearer ${await tokenOf(registry, "repository:team/app:pull")}`;
  const until = Date.now() + 30_000;
  while ((await fetch(`http://${registry.host}/v2/`, { headers: { authorization } })).status === 200) {
    if (Date.now() > until) throw new Error("the token does not expire");
    await pause(50);
  }
}

/** Waits where it is read for the first time: before it gives anything, and again before the last of it. */
function slowly(bytes: Uint8Array, wait: () => Promise<void>): ByteSource {
  let waits = 2;
  const once = async (): Promise<void> => {
    if (waits-- > 0) await wait();
  };
  return {
    async *open(offset) {
      await once();
      const middle = Math.max(offset, bytes.length - 100_000);
      yield bytes.subarray(offset, middle);
      await once();
      yield bytes.subarray(middle);
    },
  };
}
