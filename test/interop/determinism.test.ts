import assert from "node:assert/strict";
import { chmod, copyFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { run } from "../peers/program.ts";
import { type Installed, installed, nodes } from "./installed.ts";

// The program as users have it: one folder, one digest, whoever packs it, on whichever Node.js, from whichever copy.

// A change of these is a change of every image's digest: it needs a new format id and a decision record.
const GOLDEN = {
  auto: "sha256:ad5170c4ac2c202d774f909a217eadbdf6f7701876ff8c107e3a4c00d771a014",
  gzip: "sha256:618faef82c755bc078cc528551770a52b3c4f7d70e5555d370af1a982052f019",
  zstd: "sha256:84a6ad95b6a1a0efe3031fcdf70b6481c31ad87c24483b5467c8ab89d650836a",
  none: "sha256:d56c1e537e777f6da8a5eea587b5360e355d64160177560e8a5afc385136be43",
} as const;

const NOBODY = 65534;
const maker: string = join(import.meta.dirname, "../pack/awkward-folder.ts");

interface Place {
  readonly umask: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Two ways to live: one as a build machine does, one as nobody expects. */
const PLACES: Readonly<Record<string, Place & { readonly maker: readonly string[] }>> = {
  plain: { umask: "022", env: { TZ: "UTC", LC_ALL: "C", LANG: "C" }, maker: ["0"] },
  odd: {
    umask: "007",
    env: { TZ: "Pacific/Kiritimati", LC_ALL: "tr_TR.UTF-8", LANG: "sv_SE.UTF-8" },
    maker: ["7", String(NOBODY)],
  },
};

/** Runs a program with another umask, zone and locale. */
function runIn(place: Place, program: string, args: readonly string[]): ReturnType<typeof run> {
  return run("sh", ["-c", `umask ${place.umask}; exec "$0" "$@"`, program, ...args], { env: place.env });
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let imgvol: Installed;
const programs = new Map<string, string>();
let layouts = 0;

before(async () => {
  folder = await temporaryFolder(tmpdir(), "imgvol-determinism-");
  await chmod(folder.path, 0o777);
  imgvol = await installed();
  for (const [version, path] of await nodes()) {
    // A copy: another user may not see into the home of this checkout.
    programs.set(version, join(folder.path, `node-${version}`));
    await copyFile(path, join(folder.path, `node-${version}`));
  }
  for (const [name, place] of Object.entries(PLACES)) {
    await mkdir(join(folder.path, name));
    await runIn(place, process.execPath, [maker, join(folder.path, name), ...place.maker]);
  }
});
after(async () => {
  await imgvol[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** The digest that `imgvol pack` prints; root, or an ordinary user by setpriv. */
async function packed(node: string, user: number, place: Place, from: string, how: string): Promise<string> {
  const layout = join(folder.path, `layout-${layouts++}`);
  const ids = [`--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
  const args = [imgvol.program, "pack", join(folder.path, from), "-t", `oci:${layout}:v1`, "--compress", how];
  const { stdout } = await runIn(place, "setpriv", [...ids, node, ...args]);
  return stdout.trim().split("@").at(-1) ?? "";
}

test("two copies, two users, two releases of Node.js: one digest", async (t) => {
  t.diagnostic(`Node.js ${[...programs.keys()].join(" and ")}`);
  for (const [version, node] of programs) {
    for (const from of Object.keys(PLACES)) {
      for (const [how, place] of Object.entries(PLACES)) {
        for (const user of [0, NOBODY]) {
          const digest = await packed(node, user, place, from, "auto");
          assert.equal(digest, GOLDEN.auto, `Node.js ${version}, ${from} folder, ${how} place, user ${user}`);
        }
      }
    }
  }
});

for (const [how, golden] of Object.entries(GOLDEN)) {
  test(`two releases of Node.js: one digest with --compress ${how}`, async () => {
    const [plain] = Object.values(PLACES);
    assert.ok(plain);
    for (const [version, node] of programs) {
      assert.equal(await packed(node, 0, plain, "plain", how), golden, version);
    }
  });
}
