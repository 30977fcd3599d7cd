import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { basic, type Team, team } from "../serve/front.ts";
import { allClients } from "./clients.ts";

// A registry whose users push and whom everyone may pull from, with the clients that people have. Some of them ask /v2/ first,
// and send a password only where they were told there that there is one.

const PASSWORD = "correct horse";
let place: Awaited<ReturnType<typeof temporaryFolder>>;
let registry: Team;
let host: string;
let layout: string;

before(async () => {
  place = await temporaryFolder(tmpdir(), "imgvol-anonymous-");
  registry = await team({ users: { ada: PASSWORD }, anonymousPull: true });
  host = new URL(registry.url).host;
  layout = join(place.path, "layout");
  const file = join(place.path, "file");
  await writeFile(file, "content\n");
  const packed = await imgvol(["pack", file, "-t", `oci:${layout}:v1`]);
  assert.equal(packed.code, 0, packed.stderr);
});
after(async () => {
  await registry[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

/** A client's home: with the login of `user`, or nobody's. */
async function homeOf(user?: string): Promise<string> {
  const home = join(place.path, user ?? "nobody");
  const auths =
    user === undefined
      ? {}
      : { [host]: { auth: basic(user, PASSWORD).authorization.slice("Basic ".length) } };
  for (const path of ["config.json", ".docker/config.json", "containers/auth.json"]) {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), JSON.stringify({ auths }));
  }
  return home;
}

test("imgvol, crane, oras, skopeo and regctl push with a login, and pull without one", async (t) => {
  const known = await allClients({ home: await homeOf("ada"), hosts: [host] });
  const nobody = await allClients({ home: await homeOf(), hosts: [host] });
  for (const [i, client] of known.entries()) {
    await t.test(client.name, async () => {
      const stranger = nobody[i];
      assert.ok(stranger);
      const reference = `${host}/by-${client.name}:v1`;
      await assert.rejects(stranger.push(layout, reference), "nobody pushes");
      await client.push(layout, reference);
      await stranger.pull(reference, join(place.path, `pulled-by-${client.name}`));
      assert.deepEqual(await stranger.tags(`${host}/by-${client.name}`), ["v1"]);
      await client.pull(reference, join(place.path, `pulled-by-ada-with-${client.name}`));
    });
  }
});
