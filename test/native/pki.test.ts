import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { addressesOf } from "../../src/native/addresses.ts";
import { writeKubeconfig } from "../../src/native/kubeconfig.ts";
import { userName, users, writePki } from "../../src/native/pki.ts";

test("a kubeconfig holds all that it takes, and only its owner reads it", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-kubeconfig-");
  const pki = join(folder.path, "pki");
  await writePki(pki, addressesOf(0), new Date("2026-11-23T00:00:00Z"));
  for (const user of users) {
    const path = join(folder.path, user);
    await writeKubeconfig(path, { name: "one", pki, user, server: "https://127.0.0.1:6443" });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const config = JSON.parse(await readFile(path, "utf8"));
    assert.equal(config["current-context"], "imgvol-one");
    assert.equal(config.clusters[0].cluster.server, "https://127.0.0.1:6443");
    const text = (base64: string): string => Buffer.from(base64, "base64").toString();
    assert.equal(
      text(config.clusters[0].cluster["certificate-authority-data"]),
      await readFile(join(pki, "ca.crt"), "utf8"),
    );
    const { user: held } = config.users[0];

    const cert = new X509Certificate(text(held["client-certificate-data"]));
    assert.match(cert.subject, new RegExp(`CN=${userName(user)}$`));
    assert.ok(cert.checkPrivateKey(createPrivateKey(text(held["client-key-data"]))));
  }
});

test("keys are for their owner alone", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-pki-");
  const pki = join(folder.path, "pki");
  await writePki(pki, addressesOf(0), new Date());
  assert.equal((await stat(pki)).mode & 0o777, 0o700);
  for (const name of ["ca", "apiserver", "service-accounts", ...users]) {
    assert.equal((await stat(join(pki, `${name}.key`))).mode & 0o777, 0o600, name);
  }
});
