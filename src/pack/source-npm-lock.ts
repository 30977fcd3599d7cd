import { messageOf } from "../base/index.ts";
import type { Checksum } from "./source-download.ts";
import { SourceError } from "./source-errors.ts";

/** One package of a lock file: what it is, and where it goes. */
export interface LockedPackage {
  /** Relative to the folder that holds `node_modules`. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly sum: Checksum;
}

const NAME = "(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~_-][a-z0-9._~-]*";
const PATH = new RegExp(`^node_modules/${NAME}(?:/node_modules/${NAME})*$`, "i");
const PLACE = new RegExp(`(?:^|/)node_modules/(${NAME})$`, "i");
const WHOLE_NAME = new RegExp(`^${NAME}$`, "i");
const VERSION = /^[0-9A-Za-z][\w.+-]*$/;
const STRENGTH = ["sha512", "sha256", "sha1"] as const;

/**
 * The packages of an npm lock file (`lockfileVersion` 2 or 3), without those for development only and those for another
 * system. Places and names are checked: they become paths and URLs.
 *
 * @param origin the file, for messages
 * @throws SourceError `lock-invalid`, naming the package
 */
export function parseNpmLock(json: string, origin: string): readonly LockedPackage[] {
  let lock: unknown;
  try {
    lock = JSON.parse(json);
  } catch (cause) {
    throw new SourceError("lock-invalid", `${origin} is not JSON: ${messageOf(cause)}`, { cause });
  }
  const packages = field(lock, "packages");
  if (typeof packages !== "object" || packages === null) {
    throw new SourceError("lock-invalid", `${origin} is not an npm lock file of version 2 or 3`);
  }
  const entries: [string, unknown][] = Object.entries(packages);
  return entries.flatMap(([path, entry]) => {
    if (path === "" || field(entry, "dev") === true || !isForLinux(entry)) return [];
    return [locked(path, entry, `${origin}: ${path}`)];
  });
}

function locked(path: string, entry: unknown, at: string): LockedPackage {
  const place = PLACE.exec(path)?.[1];
  // An alias (`npm:other@1`) stands under one name and is fetched under another.
  const name = field(entry, "name") ?? place;
  const version = field(entry, "version");
  const integrity = field(entry, "integrity");
  if (!PATH.test(path) || field(entry, "link") !== undefined) throw invalid(at, "its place");
  if (typeof name !== "string" || !WHOLE_NAME.test(name)) throw invalid(at, "its name");
  if (typeof version !== "string" || !VERSION.test(version)) throw invalid(at, "its version");
  const sum = typeof integrity === "string" ? strongest(integrity) : undefined;
  if (sum === undefined) throw invalid(at, "its integrity");
  return { path, name, version, sum };
}

/** Of a Subresource Integrity text, the strongest hash (https://www.w3.org/TR/SRI/). */
function strongest(integrity: string): Checksum | undefined {
  const words = integrity.split(/\s+/);
  for (const algorithm of STRENGTH) {
    const word = words.find((w) => w.startsWith(`${algorithm}-`));
    const [base64 = ""] = (word ?? "").slice(algorithm.length + 1).split("?");
    const hex = Buffer.from(base64, "base64").toString("hex");
    if (hex.length === { sha512: 128, sha256: 64, sha1: 40 }[algorithm]) return { algorithm, hex };
  }
  return undefined;
}

/** Volumes are mounted into Linux containers of any CPU: a package for one CPU only is optional by nature. */
function isForLinux(entry: unknown): boolean {
  if (field(entry, "cpu") !== undefined) return false;
  const os = field(entry, "os");
  return !Array.isArray(os) || os.includes("linux") || os.every((name) => String(name).startsWith("!"));
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
}

function invalid(at: string, what: string): SourceError {
  return new SourceError("lock-invalid", `${at}: ${what} is missing, or is not one that imgvol takes`, {
    hint: "a lock file is written by npm install --package-lock-only; links and folders are not packages",
  });
}
