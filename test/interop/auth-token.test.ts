import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { dockerCredentials } from "../../src/auth/index.ts";
import { type ByteSource, fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { someBytes } from "../contract/store.ts";
import { auth, type Expected, pull, push, refused, SECRET, SECRETS, WRONG } from "./auth-refused.ts";
import {
  assertNoSecret,
  openHome,
  spellings,
  startTokenRegistry,
  TOKEN_REGISTRIES,
  type TokenRegistry,
} from "./auth-registries.ts";

// Logging in by a token server of its own, to both generations of CNCF distribution.

const call = quietCall();
const USERS = {
  ann: { password: SECRET, rights: { "*": ["pull", "push", "delete"] } },
  bob: { password: SECRET, rights: { "team/app": ["pull"] } },
};
const anonymous = { "public/app": ["pull"] };

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
    "pull" | "push",
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
  const until = performance.now() + 30_000;
  while ((await fetch(`http://${registry.host}/v2/`, { headers: { authorization } })).status === 200) {
    if (performance.now() > until) throw new Error("the token does not expire within 30 s");
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
