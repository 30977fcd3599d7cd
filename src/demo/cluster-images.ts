import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Call } from "../base/index.ts";
import { openStore } from "../copy/index.ts";
import { parseReference } from "../oci/index.ts";
import { pack, type Source } from "../pack/index.ts";
import { addProgram, makeRoot } from "./app-root.ts";
import { commandLine } from "./command-line.ts";
import { HOME, imgvolSources, PACKAGE } from "./dashboard-root.ts";
import type { DemoEvents } from "./events.ts";
import { MODULES, makeJavaRoot } from "./java-root.ts";
import { javaProgram } from "./java-tools.ts";
import { keptRoot } from "./kept-root.ts";

export interface ImageSurroundings {
  /** `host:port` of the registry. */
  readonly registry: string;
  /** imgvol's cache folder. */
  readonly cache: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly on: DemoEvents;
}

/** Packs `hello-spring:1`, the image of a Spring Boot app: a Java runtime, and its jar. */
export async function publishJavaApp(jar: string, to: ImageSurroundings, call: Call): Promise<void> {
  const version = execFileSync(javaProgram("javac", to.env), ["-version"], { encoding: "utf8" });
  const make = (root: string): Promise<void> => makeJavaRoot(root, to.env, to.on, call);
  const root = await keptRoot(to.cache, "java", [version, ...MODULES], make, call);
  const sources = [
    { path: root, target: "/" },
    { path: jar, target: "app/hello.jar" },
  ];
  const reference = `${to.registry}/hello-spring:1`;
  await publish(reference, sources, wordsOf(sources), to.on, call);
}

/**
 * Packs `imgvol-dashboard:1`: Node.js, and imgvol as it runs here.
 *
 * @param work a folder that a user would work in
 */
export async function publishDashboard(to: ImageSurroundings, work: string, call: Call): Promise<void> {
  const make = async (root: string): Promise<void> => {
    await makeRoot(root);
    await addProgram(root, process.execPath, "/usr/bin/node", call);
  };
  const root = await keptRoot(to.cache, "node", [process.version, process.execPath], make, call);
  const sources = [{ path: root, target: "/" }, ...(await imgvolSources())];
  const reference = `${to.registry}/imgvol-dashboard:1`;
  // The packages are taken from where they are. Whoever types this has them gathered by npm.
  const gathered = join(work, "imgvol");
  const npm = ["npm", "install", "--omit=dev", "--install-links", "--ignore-scripts", "--prefix", gathered];
  to.on.command(commandLine([...npm, PACKAGE]));
  const words = [`${root}=/`, `${join(gathered, "node_modules")}=${HOME}/node_modules`];
  await publish(reference, sources, words, to.on, call);
}

function wordsOf(sources: readonly { readonly path: string; readonly target: string }[]): readonly string[] {
  return sources.map(({ path, target }) => `${path}=${target}`);
}

/** What runs in the examples' images, and as whom: in files named after their repositories. */
const CONFIGS = fileURLToPath(new URL("../../examples/images/", import.meta.url));

/** @param words what a user would name as the sources */
async function publish(
  reference: string,
  sources: readonly Source[],
  words: readonly string[],
  on: DemoEvents,
  call: Call,
): Promise<void> {
  const parsed = parseReference(reference);
  const file = join(CONFIGS, `${basename(reference).split(":")[0]}.json`);
  const flags = ["--image-config", file, "--keep-modes", "--platform", "none", "--compress", "zstd"];
  on.command(commandLine(["imgvol", "pack", ...words, "-t", reference, ...flags]));
  await using store = await openStore(parsed, { create: true }, call);
  const config: Readonly<Record<string, unknown>> = JSON.parse(await readFile(file, "utf8"));
  const format = { compression: "zstd" } as const;
  const options = { tag: parsed.tag, config, format, keepModes: true, platforms: "none" } as const;
  const { digest } = await pack(sources, store, options, call);
  on.note(`${reference}@${digest}`);
}
