import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { ended, imgvol } from "../cli/imgvol.ts";
import { crane } from "../peers/crane.ts";
import { oras } from "../peers/oras.ts";
import { type Peer, programOf, run } from "../peers/program.ts";
import { skopeo } from "../peers/skopeo.ts";
import { SECRET } from "./auth-refused.ts";
import { openHome, startHtpasswdRegistry } from "./auth-registries.ts";

// One login for all tools: they read what we write, and we what they write.

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
