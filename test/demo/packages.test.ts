import assert from "node:assert/strict";
import { mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { packagesOf } from "../../src/demo/dashboard-root.ts";

/** Each package by its folder, with what it depends on, or where it leads as a link; and what is found, by where it goes. */
const LAYOUTS: Readonly<
  Record<string, { home: string; files: Record<string, string[] | string>; found: Record<string, string> }>
> = {
  "a clone after npm ci": {
    home: "imgvol",
    files: { imgvol: ["a"], "imgvol/node_modules/a": ["b"], "imgvol/node_modules/b": [] },
    found: { "node_modules/a": "imgvol/node_modules/a", "node_modules/b": "imgvol/node_modules/b" },
  },
  "installed beside others, two versions of one": {
    home: "node_modules/imgvol",
    files: {
      "node_modules/imgvol": ["a", "b"],
      "node_modules/imgvol/node_modules/b": [],
      "node_modules/a": ["b"],
      "node_modules/b": [],
    },
    found: {
      "node_modules/a": "node_modules/a",
      "node_modules/b": "node_modules/b",
      "node_modules/imgvol/node_modules/b": "node_modules/imgvol/node_modules/b",
    },
  },
  "installed by pnpm, two that need each other": {
    home: ".pnpm/imgvol@1/node_modules/imgvol",
    files: {
      ".pnpm/imgvol@1/node_modules/imgvol": ["a"],
      ".pnpm/imgvol@1/node_modules/a": ".pnpm/a@1/node_modules/a",
      ".pnpm/a@1/node_modules/a": ["b"],
      ".pnpm/a@1/node_modules/b": ".pnpm/b@1/node_modules/b",
      ".pnpm/b@1/node_modules/b": ["a"],
      ".pnpm/b@1/node_modules/a": ".pnpm/a@1/node_modules/a",
    },
    found: {
      "node_modules/imgvol/node_modules/a": ".pnpm/a@1/node_modules/a",
      "node_modules/imgvol/node_modules/a/node_modules/b": ".pnpm/b@1/node_modules/b",
    },
  },
};

for (const [name, { home, files, found }] of Object.entries(LAYOUTS)) {
  test(`the packages that imgvol needs: ${name}`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-packages-");
    const root = await realpath(folder.path);
    for (const [path, what] of Object.entries(files)) {
      const at = join(root, path);
      await mkdir(dirname(at), { recursive: true });
      if (typeof what === "string") await symlink(join(root, what), at);
      else {
        await mkdir(at, { recursive: true });
        const dependencies = Object.fromEntries(what.map((one) => [one, "1"]));
        await writeFile(join(at, "package.json"), JSON.stringify({ dependencies }));
      }
    }
    const packages = await packagesOf(join(root, home));
    const wanted = Object.entries(found).map(([to, path]) => [to, join(root, path)] as const);
    assert.deepEqual([...packages].sort(), wanted.sort());
  });
}
