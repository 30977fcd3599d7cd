import { readFileSync } from "node:fs";

/** imgvol's own version, from its package.json: two folders up both in src/ and in dist/. */
export function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return String(version);
}
