import { readFile } from "node:fs/promises";
import { fingerprint, messageOf } from "../base/index.ts";
import { RegistryError } from "../registry/index.ts";

/** Users, and the bcrypt hashes of their passwords. */
export type Htpasswd = ReadonlyMap<string, string>;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** bcrypt works 2^cost rounds: one password of cost 15 takes seconds. */
const COSTS = { least: 4, most: 15 } as const;

/**
 * The lines of `htpasswd -B`: `user:hash`; blank ones and comments are skipped. Errors name the line, never what it says.
 *
 * @throws RegistryError `htpasswd-invalid`
 */
export function parseHtpasswd(text: string, file: string): Htpasswd {
  const users = new Map<string, string>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const invalid = (why: string): RegistryError =>
      new RegistryError("htpasswd-invalid", `${file}, line ${i + 1}: ${why}`, {
        hint: "write the line with imgvol registry htpasswd USER, or htpasswd -B: other hashes than bcrypt are too weak",
        wrongUse: true,
      });
    const colon = line.indexOf(":");
    if (colon < 1) throw invalid("not user:hash");
    const [user, hash] = [line.slice(0, colon), line.slice(colon + 1).trimEnd()];
    const cost = costOf(hash);
    if (cost === undefined) throw invalid("the password is not hashed with bcrypt");
    if (cost < COSTS.least || cost > COSTS.most) {
      throw invalid(`a bcrypt cost of ${cost}: ${COSTS.least} to ${COSTS.most} are taken`);
    }
    if (users.has(user)) throw invalid("the user is named twice");
    users.set(user, hash);
  }
  return users;
}

/** The cost that a bcrypt hash was made with; undefined for any other text. */
export function costOf(hash: string): number | undefined {
  const cost = BCRYPT.exec(hash)?.[1];
  return cost === undefined ? undefined : Number(cost);
}

/** A file of users that may be changed at any time. */
export interface HtpasswdFile {
  /** As the file is now. Where it cannot be used now, as it was. */
  users(): Promise<Htpasswd>;
}

/**
 * Opens a file of users; a change of it counts from the next request on.
 *
 * @param say told when the file names nobody, and when a changed one cannot be used
 * @throws RegistryError `htpasswd-invalid`, `htpasswd-unreadable`
 */
export async function openHtpasswd(file: string, say: (sentence: string) => void): Promise<HtpasswdFile> {
  let seen = await fingerprint([file]);
  let users = await load(file);
  if (users.size === 0) say(`warning: ${file} names no user: nobody can log in`);
  let loading: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    const now = await fingerprint([file]);
    if (now === seen) return;
    seen = now;
    try {
      users = await load(file);
      say(`${file} has changed: ${users.size} users`);
    } catch (error) {
      say(`the users stay as they were: ${messageOf(error)}`);
    }
  }
  return {
    async users() {
      loading ??= refresh().finally(() => {
        loading = undefined;
      });
      await loading;
      return users;
    },
  };
}

async function load(file: string): Promise<Htpasswd> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new RegistryError("htpasswd-unreadable", `cannot read ${file}: ${messageOf(cause)}`, {
      hint: `make it with imgvol registry htpasswd USER > ${file}, or htpasswd -B -c ${file} USER`,
      cause,
      wrongUse: true,
    });
  }
  return parseHtpasswd(text, file);
}
