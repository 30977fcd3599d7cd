import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, runProgram } from "../base/index.ts";
import { addLibraries, makeRoot } from "./app-root.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import { javaProgram } from "./java-tools.ts";

/** What Spring Boot and the agent use; java.sql and jdk.unsupported are for what an app may bring. */
export const MODULES: readonly string[] = [
  "java.base",
  "java.desktop",
  "java.instrument",
  "java.logging",
  "java.management",
  "java.naming",
  "java.net.http",
  "java.security.jgss",
  "java.sql",
  "jdk.crypto.ec",
  "jdk.management",
  "jdk.unsupported",
  "jdk.zipfs",
];

/**
 * Makes a root that holds a Java runtime and nothing else that an app would miss: a runtime of the modules that are used, by
 * jlink, and the libraries of this machine that it needs.
 *
 * @throws DemoError `build-failed`
 */
export async function makeJavaRoot(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
  on: DemoEvents,
  call: Call,
): Promise<void> {
  await makeRoot(root);
  const jre = join(root, "opt", "jre");
  // Least compressed: the layer is compressed as a whole, and better.
  const how = ["--strip-debug", "--no-header-files", "--no-man-pages", "--compress=1", "--output", jre];
  const words = [javaProgram("jlink", env), "--add-modules", MODULES.join(","), ...how];
  on.command(commandLine(words));
  const [program = "jlink", ...args] = words;
  const { code, stderr, stdout } = await runProgram(program, args, {}, call).catch((cause: unknown) => {
    throw new DemoError("build-failed", "jlink could not be run: it comes with a JDK", { cause });
  });
  if (code !== 0)
    throw new DemoError("build-failed", `jlink ended with ${code}: ${(stdout + stderr).trim()}`);
  const files: string[] = [];
  for (const entry of await readdir(jre, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length);
    if (entry.isFile() && (path.endsWith(".so") || path.startsWith("/opt/jre/bin/"))) files.push(path);
  }
  await addLibraries(root, files, call);
}
