import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ImgvolError, quietCall } from "../../src/base/index.ts";
import { cat, diff, ls, pack } from "../../src/pack/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { inFolder } from "../tree/listing.ts";

const call = quietCall();

function sample(root: string): void {
  mkdirSync(join(root, "lib/deep"), { recursive: true });
  writeFileSync(join(root, "lib/agent"), "agent's bytes");
  writeFileSync(join(root, "lib/deep/x"), "x");
  symlinkSync("lib", join(root, "current"));
  symlinkSync("/current/agent", join(root, "it"));
  symlinkSync("/etc/passwd", join(root, "out"));
  symlinkSync("round", join(root, "round"));
  symlinkSync("../up", join(root, "up"));
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).toString();
}

test("ls lists all, a folder's names, what a link leads to, or one file", () =>
  inFolder(async (root) => {
    sample(root);
    const store = memoryStore();
    await pack([{ path: root }], store, { tag: "t" }, call);
    const listed = async (path: string, recursive?: boolean) => {
      const found: string[] = [];
      for await (const l of ls(store, "t", path, { recursive }, call)) {
        found.push(
          `${l.type} ${l.path}${l.size === undefined ? "" : ` ${l.size}`}${l.target ? ` ${l.target}` : ""}`,
        );
      }
      return found;
    };
    const lib = ["file lib/agent 13", "dir lib/deep", "file lib/deep/x 1"];
    const links = ["symlink current lib", "symlink it /current/agent"];
    const rest = ["symlink out /etc/passwd", "symlink round round", "symlink up ../up"];
    assert.deepEqual(await listed(""), [...links, "dir lib", ...lib, ...rest]);
    assert.deepEqual(await listed("/", false), [...links, "dir lib", ...rest]);
    assert.deepEqual(await listed("lib"), lib);
    assert.deepEqual(await listed("/current/", false), lib.slice(0, 2));
    assert.deepEqual(await listed("it"), ["file lib/agent 13"]);
    assert.equal(await text(cat(store, "t", "it", {}, call)), "agent's bytes");
    assert.equal(await text(cat(store, "t", "/current/deep/../agent", {}, call)), "agent's bytes");
    for (const [path, why] of [
      ["nope", /^no such file or folder in memory: nope$/],
      ["out", /^out is a link to \/etc\/passwd, which leads out of the volume, in memory$/],
      ["up", /^up is a link to \.\.\/up, which leads out of the volume/],
      ["round", /^round is a link to round, which leads to nothing/],
      ["../etc/passwd", /^no such file/],
      ["lib/agent/x", /^no such file/],
    ] as const) {
      await assert.rejects(listed(path), (e) => {
        assert.ok(e instanceof ImgvolError && e.code === "path-missing", path);
        assert.match(e.message, why);
        return true;
      });
    }
    await assert.rejects(
      text(cat(store, "t", "lib", {}, call)),
      (e) => e instanceof ImgvolError && e.code === "path-missing",
    );
  }));

test("diff names what was added, removed and changed, and how", () =>
  inFolder(async (root) => {
    sample(root);
    writeFileSync(join(root, "same"), "same");
    writeFileSync(join(root, "gone"), "gone");
    writeFileSync(join(root, "kind"), "file");
    const store = memoryStore();
    await pack([{ path: root }], store, { tag: "one" }, call);
    rmSync(join(root, "gone"));
    rmSync(join(root, "kind"));
    rmSync(join(root, "out"));
    mkdirSync(join(root, "kind"));
    symlinkSync("elsewhere", join(root, "out"));
    writeFileSync(join(root, "lib/agent"), "agent's other");
    chmodSync(join(root, "lib/deep/x"), 0o755);
    linkSync(join(root, "same"), join(root, "also"));
    const other = memoryStore();
    await pack([{ path: root }], other, { tag: "two" }, call);
    const found = await diff({ store, ref: "one" }, { store: other, ref: "two" }, {}, call);
    assert.deepEqual(
      found.map((d) => [d.path, d.change, ...d.what].join(" ")),
      [
        "also added",
        "gone removed",
        "kind changed type mode",
        "lib/agent changed content",
        "lib/deep/x changed mode",
        "out changed target",
      ],
    );
    assert.deepEqual(await diff({ store, ref: "one" }, { store, ref: "one" }, {}, call), []);
  }));
