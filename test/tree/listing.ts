import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import type { Tree } from "../../src/tree/index.ts";

/** One line an entry: everything that a layer would carry, with the content in place of the body. */
export async function listing(tree: Tree, signal?: AbortSignal): Promise<string[]> {
  const call = quietCall(signal);
  const lines: string[] = [];
  for await (const e of tree(call)) {
    let about = "";
    if (e.type === "file") {
      const parts: Buffer[] = [];
      for await (const chunk of e.body.open(0, call)) parts.push(Buffer.from(chunk));
      const bytes = Buffer.concat(parts);
      about = ` ${e.size} ${bytes.length > 40 ? `${bytes.length} bytes` : JSON.stringify(bytes.toString())}`;
    } else if (e.type !== "dir") about = ` -> ${e.target}`;
    lines.push(`${e.type} ${e.path} ${e.mode.toString(8)} ${e.uid}:${e.gid} ${e.mtime}${about}`);
  }
  return lines;
}

export async function paths(tree: Tree): Promise<string[]> {
  const found: string[] = [];
  for await (const e of tree(quietCall())) found.push(e.path);
  return found;
}

/** Runs with a new empty folder, which is removed afterwards. */
export async function inFolder<T>(act: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), "imgvol-test-"));
  try {
    return await act(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
