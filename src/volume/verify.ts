import { lstat, opendir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Call, errno, fromFile, isAbort, printable } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";
import { type Known, readContents } from "./contents.ts";

/** At most this many findings: a disk that lost all needs no list. */
const LIMIT = 100;

/**
 * Compares a volume's tree with the record of its contents: names, kinds, modes, links, sizes and bytes.
 * @returns a finding for each difference, none where all is as it was unpacked
 */
export async function verifyTree(root: string, contents: string, call: Call): Promise<Finding[]> {
  const findings: Finding[] = [];
  const known = await readContents(contents, call);
  if (known === undefined) return [damaged("", "the record of the contents is damaged")];
  for (const [path, content] of known) {
    call.signal.throwIfAborted();
    const wrong = await differs(join(root, path), content, call);
    if (wrong !== undefined) findings.push(damaged(path, wrong));
    if (findings.length >= LIMIT) return findings;
  }
  for await (const path of walk(root, "")) {
    call.signal.throwIfAborted();
    if (!known.has(path)) findings.push(damaged(path, "it is not of the image"));
    if (findings.length >= LIMIT) return findings;
  }
  return findings;
}

/** What is wrong with one path, or undefined. */
async function differs(at: string, known: Known, call: Call): Promise<string | undefined> {
  try {
    const found = await lstat(at);
    const type = found.isFile()
      ? "file"
      : found.isDirectory()
        ? "dir"
        : found.isSymbolicLink()
          ? "symlink"
          : "other";
    if (type !== known.type) return `it is of another kind: ${type}, not ${known.type}`;
    if (type === "symlink") return (await readlink(at)) === known.target ? undefined : "it links elsewhere";
    if ((found.mode & 0o7777) !== known.mode) return `its mode is ${(found.mode & 0o7777).toString(8)}`;
    if (type === "dir") return undefined;
    if (found.size !== known.size) return `it has ${found.size} bytes, not ${known.size}`;
    // Only a file that its own mode hides from us goes unread.
    return (await checksum(at, call)) === known.crc ? undefined : "its bytes have changed";
  } catch (error) {
    if (isAbort(error)) throw error;
    if (errno(error) === "ENOENT") return "it is missing";
    if (errno(error) === "EACCES") return undefined;
    return `it cannot be read: ${errno(error) ?? String(error)}`;
  }
}

async function checksum(path: string, call: Call): Promise<number> {
  let crc = 0;
  for await (const chunk of fromFile(path).open(0, call)) crc = crc32(chunk, crc);
  return crc;
}

async function* walk(root: string, folder: string): AsyncGenerator<string> {
  let names: Awaited<ReturnType<typeof opendir>>;
  try {
    names = await opendir(join(root, folder));
  } catch (error) {
    if (errno(error) === "EACCES") return;
    throw error;
  }
  for await (const entry of names) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

function damaged(path: string, why: string): Finding {
  return {
    code: "volume-damaged",
    severity: "error",
    subject: printable(path),
    message: `${printable(path) || "the volume"}: ${why}`,
    fix: [],
  };
}
