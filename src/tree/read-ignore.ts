import { readFileSync } from "node:fs";
import { BaseError, errno, printable } from "../base/index.ts";
import { IGNORE_FILE, type Ignore, parseIgnore } from "./ignore.ts";

/**
 * What stays out of a folder's tree.
 *
 * @param own the folder's own ignore file, that may be missing
 * @param named an ignore file that the user named: it is read instead
 * @throws BaseError `file-unreadable`; TreeError `ignore-invalid`
 */
export function readIgnore(own: string, named: string | undefined): Ignore {
  const path = named ?? own;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (named === undefined && errno(error) === "ENOENT") return () => false;
    throw new BaseError("file-unreadable", `cannot read the ignore file ${printable(path)}`, {
      cause: error,
      wrongUse: named !== undefined,
    });
  }
  const ignore = parseIgnore(text, path);
  return named === undefined ? (p, folder) => p === IGNORE_FILE || ignore(p, folder) : ignore;
}
