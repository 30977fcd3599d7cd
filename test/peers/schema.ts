import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildGoFile } from "./go.ts";
import { type Peer, programOf, run } from "./program.ts";

const module = "github.com/opencontainers/image-spec";
const version = "v1.1.1";
const source = join(import.meta.dirname, "schema/main.go");

/** The image-spec's own schemas, in a program of ours that walks a layout with them. */
export const schema: Peer = {
  name: "schema",
  version: `${version}-${createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 8)}`,
  fetch: (into) => buildGoFile(source, "schema", module, version, into),
  program: "bin/schema",
};

export interface Checked {
  /** How many of each were checked: layout, index, manifest, config, descriptor; blob is what has no schema. */
  readonly checked: Readonly<Record<string, number>>;
  /** One line for each document that is not as the spec wants it. */
  readonly wrong: readonly string[];
}

/** Checks all that a layout folder's index leads to. */
export async function checkSchema(layout: string): Promise<Checked> {
  const { stdout } = await run(await programOf(schema), [layout], { codes: [0, 1] });
  return JSON.parse(stdout);
}
