import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { imgvol } from "../cli/imgvol.ts";
import { dockerRegistry } from "../peers/docker-registry.ts";
import { auth, pull, push, refused, SECRET, SECRETS, WRONG } from "./auth-refused.ts";
import { assertNoSecret, openHome, startHtpasswdRegistry } from "./auth-registries.ts";

// Logging in by a file of users: to the registry that most of the world runs, and to ours.

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
