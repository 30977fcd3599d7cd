// The floors of the source tree (ARCHITECTURE.md), and the linter's rules that hold them.
// `node tools/floors.ts` writes the rules into biome.json; test/house/floors.test.ts fails where they differ.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

/** Folders of src/, lowest first. A file imports only from lower floors; folders on one floor never import each other. */
export const floors: readonly (readonly string[])[] = [
  ["base"],
  ["tar", "codec"],
  ["oci", "preset"],
  ["store", "tree", "hosts"],
  ["auth", "registry"],
  ["remote"],
  ["copy", "mirror"],
  ["pack", "serve", "volume", "telemetry", "cluster"],
  ["binaries"],
  ["native", "kind"],
  ["demo"],
  ["cli"],
];

interface Override {
  includes: string[];
  linter: { rules: { style: { noRestrictedImports: unknown } } };
}

/** One linter override a folder: what lies above or beside it may not be imported, and below only `index.ts`. */
export function overrides(): Override[] {
  return floors.flatMap((row, level) =>
    row.map((folder) => {
      const refused = floors.flatMap((others, at) => (at >= level ? others : [])).filter((f) => f !== folder);
      const lower = floors.slice(0, level).flat();
      const patterns = [
        ...(refused.length === 0
          ? []
          : [
              {
                group: refused.flatMap((f) => [`../${f}/**`, `../../${f}/**`]),
                message: `src/${folder} is below these, or beside them: see ARCHITECTURE.md, floors.`,
              },
            ]),
        ...(lower.length === 0
          ? []
          : [
              {
                group: lower.flatMap((f) => [`../${f}/*`, `!../${f}/index.ts`]),
                message: "Across folders, import the folder's index.ts.",
              },
            ]),
      ];
      return {
        includes: [`src/${folder}/**`],
        linter: { rules: { style: { noRestrictedImports: { level: "error", options: { patterns } } } } },
      };
    }),
  );
}

if (import.meta.main) {
  const config = JSON.parse(readFileSync("biome.json", "utf8"));
  config.overrides = overrides();
  writeFileSync("biome.json", `${JSON.stringify(config, null, 2)}\n`);
  execFileSync("node_modules/.bin/biome", ["format", "--write", "biome.json"]);
}
