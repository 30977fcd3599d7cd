// Builds dist/: tsc, the assets that tsc does not copy, and worker URLs, which tsc does not rewrite.
import { spawnSync } from "node:child_process";
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

rmSync("dist", { recursive: true, force: true });
const tsc = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

// What stands beside the sources and is read at run time.
for (const asset of globSync("src/**/*.{html,css,svg,json,mjs,go,mod,sum}")) {
  const to = join("dist", asset.slice("src/".length));
  cpSync(asset, to, { recursive: true });
}

// `new URL("./worker.ts", import.meta.url)` names a source file; in dist/ it is JavaScript.
for (const file of globSync("dist/**/*.js")) {
  const text = readFileSync(file, "utf8");
  const built = text.replace(/(new URL\("\.\/[\w/-]+)\.ts("\s*,\s*import\.meta\.url\))/g, "$1.js$2");
  if (built !== text) writeFileSync(file, built);
}
