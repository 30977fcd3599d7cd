import { chmod, chown, readdir, readFile, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asFolderError, type Call, errno, makeFolder, passingLock, replaceFile } from "../base/index.ts";
import { type Config, readConfig, unreadable } from "./credential-files.ts";

/**
 * Changes a file of credentials as its owner would: other fields, their order, the indentation and who owns it stay; it is
 * readable to the owner alone. Two of us at once do not lose each other's change, and a reader sees the old file or the new.
 *
 * @param change gives the same object back where there is nothing to change
 * @throws StoreError `credentials-unreadable`; BaseError `folder-unwritable`, `disk-full`
 */
export async function editConfig(
  file: string,
  change: (config: Config) => Config,
  call: Call,
): Promise<void> {
  // A link to the file (from a dotfiles folder, say) stays a link.
  const target = await realpath(file).catch(() => file);
  const folder = dirname(target);
  try {
    const made = await makeFolder(folder);
    if (made !== undefined) await chmod(folder, 0o700);
    await using _held = await passingLock(`${target}.imgvol.lock`, call);
    await sweep(target);
    const before = await readConfig(target);
    const after = change(before);
    if (after === before) return;
    const owner = await stat(target).catch(() => undefined);
    await replaceFile(target, Buffer.from(await render(target, after)), 0o600);
    // By sudo, say: the file is still its owner's.
    if (owner !== undefined && process.getuid?.() === 0) await chown(target, owner.uid, owner.gid);
  } catch (error) {
    throw asFolderError(error, folder);
  }
}

async function render(target: string, config: Config): Promise<string> {
  const before = await readFile(target, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT") return "";
    throw unreadable(target, "it changed meanwhile");
  });
  const indent = /^[\t ]+/m.exec(before)?.[0] ?? "\t";
  const end = before === "" || before.endsWith("\n") ? "\n" : "";
  return JSON.stringify(config, undefined, indent) + end;
}

/** A process that was killed between writing and renaming left a copy of the secrets. Only while the lock is held. */
async function sweep(target: string): Promise<void> {
  const start = `${basename(target)}.`;
  for (const name of await readdir(dirname(target))) {
    const rest = name.startsWith(start) ? name.slice(start.length) : "";
    if (/^[0-9a-f-]{36}\.tmp$/.test(rest)) await rm(join(dirname(target), name), { force: true });
  }
}
