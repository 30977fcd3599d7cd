import { execFileSync } from "node:child_process";
import type { Call } from "../base/index.ts";
import { openStore } from "../copy/index.ts";
import { parseReference } from "../oci/index.ts";
import { pack, type Source } from "../pack/index.ts";
import { APP_USER, addProgram, makeRoot } from "./app-root.ts";
import { commandLine } from "./command-line.ts";
import { DASHBOARD, imgvolSources } from "./dashboard-root.ts";
import type { DemoEvents } from "./events.ts";
import { JAVA, MODULES, makeJavaRoot } from "./java-root.ts";
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

/** Packs the image of a Spring Boot app: a Java runtime, and its jar. @returns the reference */
export async function publishJavaApp(jar: string, to: ImageSurroundings, call: Call): Promise<string> {
  const version = execFileSync(javaProgram("javac", to.env), ["-version"], { encoding: "utf8" });
  const make = (root: string): Promise<void> => makeJavaRoot(root, to.env, to.on, call);
  const root = await keptRoot(to.cache, "java", [version, ...MODULES], make, call);
  const sources = [
    { path: root, target: "/" },
    { path: jar, target: "app/app.jar" },
  ];
  const config = {
    Entrypoint: [JAVA, "-jar", "/app/app.jar"],
    Env: ["PATH=/opt/jre/bin", "LANG=C.UTF-8"],
    User: `${APP_USER}:${APP_USER}`,
    WorkingDir: "/app",
  };
  return await publish(`${to.registry}/hello-spring:1`, sources, config, to.on, call);
}

/** Packs the dashboard's image: Node.js, and imgvol as it runs here. @returns the reference */
export async function publishDashboard(to: ImageSurroundings, call: Call): Promise<string> {
  const make = async (root: string): Promise<void> => {
    await makeRoot(root);
    await addProgram(root, process.execPath, "/usr/bin/node", call);
  };
  const root = await keptRoot(to.cache, "node", [process.version, process.execPath], make, call);
  const config = { Entrypoint: DASHBOARD, Env: ["PATH=/usr/bin"], User: `${APP_USER}:${APP_USER}` };
  const sources = [{ path: root, target: "/" }, ...(await imgvolSources())];
  return await publish(`${to.registry}/imgvol-dashboard:1`, sources, config, to.on, call);
}

async function publish(
  reference: string,
  sources: readonly Source[],
  config: Readonly<Record<string, unknown>>,
  on: DemoEvents,
  call: Call,
): Promise<string> {
  const words = sources.slice(0, 2).map((s) => ("path" in s ? `${s.path}=${s.target ?? ""}` : s.name));
  const more = sources.length > 2 ? ["…"] : [];
  const flags = ["--image-config", "config.json", "--keep-modes", "--compress", "zstd"];
  on.command(commandLine(["imgvol", "pack", ...words, ...more, "-t", reference, ...flags]));
  const parsed = parseReference(reference);
  await using store = await openStore(parsed, { create: true }, call);
  const format = { compression: "zstd" } as const;
  const options = { tag: parsed.tag, config, format, keepModes: true, platforms: "none" } as const;
  const { digest } = await pack(sources, store, options, call);
  on.note(`${reference}@${digest}`);
  return reference;
}
