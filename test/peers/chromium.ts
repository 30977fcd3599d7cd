import { join } from "node:path";
import { unpackDebian } from "./debian.ts";
import { type Peer, programOf } from "./program.ts";

/** Of this machine's own release, with its libraries, fonts and all: nothing of it need be installed here. */
export const chromium: Peer = {
  name: "chromium",
  version: "own-release",
  fetch: (into) => unpackDebian(["chromium"], into, { release: "own", closure: "own-libc" }),
  program: "usr/lib/chromium/chromium",
};

/** The program and the environment in which it finds its libraries. */
export async function chromiumProgram(): Promise<{ program: string; home: string; libraries: string }> {
  const program = await programOf(chromium);
  const home = program.slice(0, -chromium.program.length);
  const triple = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  // The last is where a library names its own folder by an absolute path.
  const libraries = [`usr/lib/${triple}`, `lib/${triple}`, `usr/lib/${triple}/pulseaudio`];
  return { program, home, libraries: libraries.map((path) => join(home, path)).join(":") };
}
