import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { floors } from "../../tools/floors.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

test("what the pages lead to is there", () => {
  const pages = [
    ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/adr/README.md"],
    ...globSync(["docs/*.md", "examples/*/README.md", "examples/README.md"], { cwd: root }),
  ];
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, link = ""]) => join(page, "..", link))
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(broken, []);
});

test("the list of decisions has every one, under its own title", () => {
  const listed = [...read("docs/adr/README.md").matchAll(/^- \[(\d{4})\]\((\S+)\) (.+)$/gm)].map(
    ([, number, file, title]) => ({ number, file, title }),
  );
  const written = readdirSync(join(root, "docs/adr"))
    .filter((file) => /^\d/.test(file))
    .sort()
    .map((file) => {
      const [, number, title] = /^# (\d{4}): (.+)$/m.exec(read(`docs/adr/${file}`)) ?? [];
      assert.equal(number, file.slice(0, 4), `${file}: its heading`);
      return { number, file, title };
    });
  assert.deepEqual(listed, written);
});

/** folder -> those that its arrows lead to, in ARCHITECTURE's picture. */
function drawn(): Map<string, readonly string[]> {
  const [, picture = ""] = /```mermaid\n([\s\S]*?)```/.exec(read("ARCHITECTURE.md")) ?? [];
  const arrows = new Map<string, readonly string[]>();
  for (const [, from = "", label = "", to] of picture.matchAll(/^ {2}(\w+)\["(.+?)"\](?: --> (.+))?$/gm)) {
    assert.match(label, new RegExp(`^\\d+ ${from}\\b`));
    arrows.set(from, to?.split(" & ") ?? []);
  }
  return arrows;
}

/** The folders that a folder's files import from. */
function imported(folder: string): Set<string> {
  const files = globSync(`src/${folder}/*.ts`, { cwd: root });
  return new Set(
    files.flatMap((file) =>
      [...read(file).matchAll(/from "\.\.\/(\w+)\/index\.ts"/g)].map(([, to = ""]) => to),
    ),
  );
}

test("the picture of the floors shows each folder, and leads to all that it imports and to nothing else", () => {
  const arrows = drawn();
  assert.deepEqual([...arrows.keys()].toSorted(), floors.flat().toSorted());
  const reach = (from: string): string[] => (arrows.get(from) ?? []).flatMap((to) => [to, ...reach(to)]);
  for (const folder of arrows.keys()) {
    const imports = imported(folder);
    const unseen = [...imports].filter((to) => !reach(folder).includes(to));
    const untrue = (arrows.get(folder) ?? []).filter((to) => !imports.has(to));
    assert.deepEqual({ unseen, untrue }, { unseen: [], untrue: [] }, basename(folder));
  }
});
