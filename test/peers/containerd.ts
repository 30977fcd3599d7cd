import { join } from "node:path";
import { unpackDebian } from "./debian.ts";
import { type Peer, programOf } from "./program.ts";

/** The containerd that Debian ships: with image volumes, and without their subPath as long as it is 2.1. */
export const containerd: Peer = {
  name: "containerd",
  version: "testing",
  fetch: (into) => unpackDebian(["containerd"], into),
  program: "usr/bin/containerd",
};

/** containerd's programs, by the names that they are started by. */
export async function containerdPrograms(): Promise<Readonly<Record<string, string>>> {
  const folder = join(await programOf(containerd), "..");
  const names = ["containerd", "containerd-shim-runc-v2", "ctr"];
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}
