// Generates src/telemetry/gen/ from the vendored OTLP definitions: `node tools/protos.ts`. Works offline.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
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
const buf = spawnSync(resolve("node_modules/.bin/buf"), ["generate", "--template", JSON.stringify(template)], {
  cwd: "src/telemetry/proto",
  stdio: "inherit",
});
process.exitCode = buf.status ?? 1;
