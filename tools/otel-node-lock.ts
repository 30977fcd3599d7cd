// Writes the lock file of an otel-node payload: node tools/otel-node-lock.ts VERSION. npm resolves the packages in an
// empty folder; what is kept is each package's place, version and integrity, and no registry's address.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Locked {
  readonly name?: string;
  readonly version: string;
  readonly integrity: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

const version = process.argv[2];
if (version === undefined) throw new Error("which version of @opentelemetry/auto-instrumentations-node?");

const folder = mkdtempSync(join(tmpdir(), "otel-node-lock-"));
try {
  writeFileSync(join(folder, "package.json"), '{ "name": "payload", "private": true }\n');
  const packages = [`@opentelemetry/auto-instrumentations-node@${version}`, "@opentelemetry/api@^1"];
  const flags = ["--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync("npm", ["install", ...flags, ...packages], { cwd: folder, stdio: "inherit" });
  const lock: { packages: Record<string, Locked> } = JSON.parse(
    readFileSync(join(folder, "package-lock.json"), "utf8"),
  );
  const kept = Object.entries(lock.packages).flatMap(([path, { name, version, integrity, os, cpu }]) =>
    path === "" ? [] : [[path, { name, version, integrity, os, cpu }] as const],
  );
  const file = `src/preset/payload/otel-node-${version}.lock.json`;
  const text = JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(kept) }, null, 2);
  writeFileSync(file, `${text}\n`);
  console.log(`${file}: ${kept.length} packages`);
} finally {
  rmSync(folder, { recursive: true });
}
