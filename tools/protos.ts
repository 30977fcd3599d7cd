// Generates src/telemetry/gen/ from the vendored OTLP definitions: `node tools/protos.ts`. Works offline.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const out = "src/telemetry/gen";
const template = {
  version: "v2",
  plugins: [
    {
      local: resolve("node_modules/.bin/protoc-gen-es"),
      out: resolve(out),
      opt: ["target=ts", "import_extension=ts"],
    },
  ],
};

rmSync(out, { recursive: true, force: true });
const command = [resolve("node_modules/.bin/buf"), "generate", "--template", JSON.stringify(template)];
const buf = spawnSync(process.execPath, command, { cwd: "src/telemetry/proto", stdio: "inherit" });
process.exitCode = buf.status ?? 1;

// protoc-gen-es writes TypeScript enums, which Node.js cannot strip: make each a constant object and a union.
for (const file of globSync(`${out}/**/*_pb.ts`)) {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/^export enum (\w+) \{\n([\s\S]*?)^\}/gm, erasable));
}

function erasable(_all: string, name: string, body: string): string {
  const members = [...body.matchAll(/^ {2}(\w+) = (-?\d+),$/gm)].map(([, key, value]) => ({ key, value }));
  const shape = members.map(({ key, value }) => `  readonly ${key}: ${value};`).join("\n");
  const union = members.map(({ value }) => value).join(" | ");
  const values = body.replace(/^( {2}\w+) = /gm, "$1: ");
  return `export const ${name}: {\n${shape}\n} = {\n${values}};\nexport type ${name} = ${union};`;
}
