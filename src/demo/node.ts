import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fetchNpmPackages } from "../pack/index.ts";
import type { DemoApp, Service } from "./app.ts";
import { commandLine } from "./command-line.ts";
import { copyExample } from "./example.ts";

/** Two Express services, one of CommonJS and one of ES modules. Their packages come by the lock file; npm need not be here. */
export const node: DemoApp = {
  name: "node",
  preset: "otel-node",
  async prepare(home, { cache, env, on }, call) {
    await copyExample("node", home, on, call);
    on.command(commandLine(["npm", "ci", "--prefix", home]));
    const lock = await readFile(join(home, "package-lock.json"), "utf8");
    const { packages, files } = await fetchNpmPackages(lock, home, { cache, env }, call);
    on.note(`${packages} packages, ${files} files, by the lock file's checksums and without npm`);
    return [
      service("hello-cjs", join(home, "cjs", "app.cjs")),
      service("hello-esm", join(home, "esm", "app.mjs")),
    ];
  },
};

function service(name: string, file: string): Service {
  return {
    name,
    argv: [process.execPath, file],
    listening: /^listening on http:\/\/[^ ]+:(\d+)$/,
    span: "GET /hello/:name",
  };
}
