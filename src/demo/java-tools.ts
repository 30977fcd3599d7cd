import { execFile } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Call } from "../base/index.ts";

/** What is here to build and run Java; undefined where it is not, or does not run. */
export interface JavaTools {
  /** The compiler's feature release, as 17 in 17.0.15. */
  readonly javac: number | undefined;
  readonly maven: readonly number[] | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Asks the programs themselves: a file in the PATH may be a stub that only says what to install. */
export async function findJavaTools(env: Env, call: Call): Promise<JavaTools> {
  const [javac, maven] = await Promise.all([
    said(javaProgram("javac", env), ["-version"], env, call),
    said("mvn", ["-v"], env, call),
  ]);
  return { javac: parseJavac(javac), maven: parseMaven(maven) };
}

/** Maven, too, prefers `JAVA_HOME` to the PATH: so compiler and runtime are of one JDK. */
export function javaProgram(name: "java" | "javac" | "jlink", env: Env): string {
  const home = env["JAVA_HOME"];
  return home ? join(home, "bin", name) : name;
}

/** `javac 17.0.15`, `javac 1.8.0_402`. */
export function parseJavac(text: string): number | undefined {
  const [, first, second] = /^javac (\d+)(?:\.(\d+))?/m.exec(text) ?? [];
  if (first === undefined) return undefined;
  return first === "1" && second !== undefined ? Number(second) : Number(first);
}

/** `Apache Maven 3.9.9 (…)`, which some releases print in bold, whoever reads it. */
export function parseMaven(text: string): readonly number[] | undefined {
  const [, version] = /^Apache Maven (\d+(?:\.\d+)*)/m.exec(stripVTControlCharacters(text)) ?? [];
  return version?.split(".").map(Number);
}

/** What a program prints, on whichever stream; empty where it fails or cannot be started. */
async function said(program: string, args: readonly string[], env: Env, call: Call): Promise<string> {
  const text = await new Promise<string>((done) => {
    execFile(program, args, { env: { ...env }, signal: call.signal, timeout: 30_000 }, (error, out, err) =>
      done(error === null ? `${out}\n${err}` : ""),
    );
  });
  call.signal.throwIfAborted();
  return text;
}
