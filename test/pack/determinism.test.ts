import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { knownAnswer } from "../../src/codec/index.ts";
import { inFolder } from "../tree/listing.ts";

// A change of these is a change of every image's digest: it needs a new format id and a decision record.
const GOLDEN = {
  auto: "sha256:ad5170c4ac2c202d774f909a217eadbdf6f7701876ff8c107e3a4c00d771a014",
  gzip: "sha256:618faef82c755bc078cc528551770a52b3c4f7d70e5555d370af1a982052f019",
  zstd: "sha256:84a6ad95b6a1a0efe3031fcdf70b6481c31ad87c24483b5467c8ab89d650836a",
  none: "sha256:d56c1e537e777f6da8a5eea587b5360e355d64160177560e8a5afc385136be43",
  diffId: "sha256:beb1ab512536ab4e9781adaacb2d4bd51e26b0b64651cac8594b8b5d0fdad3f7",
  entries: "40",
};

const script = fileURLToPath(new URL("./awkward-folder.ts", import.meta.url));

function packAwkward(args: readonly string[], umask: string, env: Record<string, string>): unknown {
  const command = `umask ${umask}; exec "$0" "$@"`;
  const output = execFileSync("/bin/sh", ["-c", command, process.execPath, script, ...args], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return JSON.parse(output);
}

test("a folder has one digest: whatever the order of creation, umask, time zone, locale and user", () =>
  inFolder(async (root) => {
    const places: [string, string[], string, Record<string, string>][] = [
      ["one", ["0"], "022", { TZ: "UTC", LC_ALL: "C" }],
      ["two", ["7"], "077", { TZ: "Pacific/Kiritimati", LC_ALL: "sv_SE.UTF-8", LANG: "tr_TR.UTF-8" }],
    ];
    // Only root can give files away.
    if (process.getuid?.() === 0) places.push(["three", ["4", "65534"], "002", { TZ: "Asia/Kolkata" }]);
    const official = (await knownAnswer("gzip")) && (await knownAnswer("zstd"));
    const { diffId, none, entries } = GOLDEN;
    for (const [name, args, umask, env] of places) {
      const folder = join(root, name);
      mkdirSync(folder);
      const found = packAwkward([folder, ...args], umask, env);
      assert.partialDeepStrictEqual(found, official ? GOLDEN : { diffId, none, entries }, name);
    }
  }));
