import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { composeTree, fileTree, folderTree, TreeError } from "../../src/tree/index.ts";
import { inFolder, listing, paths } from "./listing.ts";

/** Makes folders (names that end in `/`) and files, and gives back the folder. */
function make(root: string, name: string, contents: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const path of contents) {
    if (path.endsWith("/")) mkdirSync(join(folder, path));
    else writeFileSync(join(folder, path), name);
  }
  return folder;
}

test("parts go below their targets, in tree order over all; folders on the way are made", () =>
  inFolder(async (root) => {
    const a = folderTree(make(root, "one", ["lib/", "lib/x", "z"]));
    const b = folderTree(make(root, "two", ["-", "lib/", "lib/y"]));
    const f = fileTree(join(make(root, "three", ["file.txt"]), "file.txt"));
    const tree = composeTree([
      { tree: a, target: "", origin: "one" },
      { tree: b, target: "a/b", origin: "two" },
      { tree: f, target: "lib/deep", origin: "three" },
    ]);
    assert.deepEqual(await listing(tree), [
      "dir a 755 0:0 0",
      "dir a/b 755 0:0 0",
      'file a/b/- 644 0:0 0 3 "two"',
      "dir a/b/lib 755 0:0 0",
      'file a/b/lib/y 644 0:0 0 3 "two"',
      "dir lib 755 0:0 0",
      "dir lib/deep 755 0:0 0",
      'file lib/deep/file.txt 644 0:0 0 5 "three"',
      'file lib/x 644 0:0 0 3 "one"',
      'file z 644 0:0 0 3 "one"',
    ]);
    assert.deepEqual(await paths(tree), await paths(tree), "a tree can be walked again");
  }));

test("a folder that a part has goes before one that was only made", () =>
  inFolder(async (root) => {
    const keep = { keepModes: true };
    const one = make(root, "one", ["x"]);
    const two = make(root, "two", []);
    mkdirSync(join(two, "d"), 0o700);
    const tree = composeTree([
      { tree: folderTree(one, keep), target: "d", origin: "one" },
      { tree: folderTree(two, keep), target: "", origin: "two" },
    ]);
    assert.deepEqual((await listing(tree))[0], "dir d 700 0:0 0");
  }));

const conflicts: readonly (readonly [string, readonly string[], readonly string[], string])[] = [
  ["two files", ["a"], ["a"], "a"],
  ["a file and a folder", ["a", "a-"], ["a/"], "a"],
  ["a folder and a file, below a folder", ["d/", "d/a/"], ["d/", "d/a"], "d/a"],
];
for (const [name, one, two, path] of conflicts) {
  test(`${name} for one path are refused as wrong use, naming both`, () =>
    inFolder(async (root) => {
      const tree = composeTree([
        { tree: folderTree(make(root, "one", one)), target: "", origin: "./one" },
        { tree: folderTree(make(root, "two", two)), target: "", origin: "./two" },
      ]);
      await assert.rejects(paths(tree), (e) => {
        assert.ok(e instanceof TreeError && e.code === "path-conflict" && e.wrongUse, String(e));
        for (const named of [`${path}, from`, "./one", "./two"])
          assert.ok(e.message.includes(named), e.message);
        return true;
      });
    }));
}

test("hard links move with their part", async () => {
  const tree = composeTree([
    {
      target: "t",
      origin: "x",
      async *tree() {
        yield { type: "hardlink", path: "b", target: "a", mode: 0o644, uid: 0, gid: 0, mtime: 0 };
      },
    },
  ]);
  const found = [];
  for await (const e of tree(quietCall()))
    found.push(e.type === "hardlink" ? `${e.path} ${e.target}` : e.path);
  assert.deepEqual(found, ["t", "t/b t/a"]);
});
