import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { quietCall, runProgram } from "../../src/base/index.ts";
import { addLibraries, addProgram, makeRoot } from "../../src/demo/app-root.ts";
import { fetchNpmPackages, type Packed } from "../../src/pack/index.ts";
import { publish } from "./images.ts";
import { programs } from "./programs.ts";

const call = quietCall();
const EXAMPLES = join(import.meta.dirname, "../../examples");

/** Node.js, and the example's two services. */
export async function publishNodeApp(reference: string, folder: string): Promise<void> {
  const root = join(folder, "node-app");
  await makeRoot(root);
  await addProgram(root, process.execPath, "/usr/bin/node", call);
  const app = join(root, "app");
  await cp(join(EXAMPLES, "node"), app, {
    recursive: true,
    filter: (path) => !path.includes("node_modules"),
  });
  const lock = await readFile(join(app, "package-lock.json"), "utf8");
  await fetchNpmPackages(lock, app, { cache: programs.cache, env: process.env }, call);
  await publish(reference, root, {
    keepModes: true,
    config: { Entrypoint: ["/usr/bin/node"], User: "1000" },
  });
}

const PYTHON = "/usr/bin/python3.11";
const SITE = "/usr/local/lib/python3.11/dist-packages";
const PYTHON_LIBRARY = "/usr/lib/python3.11";

/** The system's Python, Flask, and the example's service. */
export async function publishPythonApp(reference: string, folder: string): Promise<void> {
  const root = join(folder, "python-app");
  await makeRoot(root);
  await addProgram(root, PYTHON, PYTHON, call);
  const filter = (path: string): boolean =>
    !/\/(?:__pycache__|test|idlelib|ensurepip|config-3[^/]*)$/.test(path);
  await mkdir(join(root, "usr", "lib"), { recursive: true });
  await cp(PYTHON_LIBRARY, join(root, PYTHON_LIBRARY), { recursive: true, filter, dereference: true });
  const modules = await readdir(join(root, PYTHON_LIBRARY, "lib-dynload"));
  await addLibraries(
    root,
    modules.map((name) => join(PYTHON_LIBRARY, "lib-dynload", name)),
    call,
  );
  await cp(join(EXAMPLES, "python"), join(root, "app"), { recursive: true });
  // Where the system's Python looks by itself: what lies beside the script is not on the path yet when an agent starts.
  await pip(["-r", join(EXAMPLES, "python", "requirements.txt")], join(root, SITE));
  const config = { Entrypoint: [PYTHON, "/app/app.py"], User: "1000", Env: ["PYTHONDONTWRITEBYTECODE=1"] };
  await publish(reference, root, { keepModes: true, config });
}

/** OpenTelemetry for Python, over HTTP alone: then one tree serves every CPython. */
export async function publishPythonAgent(reference: string, folder: string): Promise<Packed> {
  const root = join(folder, "python-agent");
  const packages = ["distro", "exporter-otlp-proto-http", "instrumentation-flask", "instrumentation-logging"];
  await pip(
    packages.map((name) => `opentelemetry-${name}`),
    root,
  );
  return await publish(reference, root);
}

async function pip(packages: readonly string[], target: string): Promise<void> {
  const words = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-compile",
    "--disable-pip-version-check",
    "--target",
    target,
  ];
  const { code, stderr } = await runProgram("python3", [...words, ...packages], {}, call);
  if (code !== 0) throw new Error(`pip install ended with ${code}: ${stderr}`);
}
