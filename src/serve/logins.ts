import { createHmac, randomBytes } from "node:crypto";
import { Bcrypt } from "./bcrypt.ts";
import { costOf, type Htpasswd, type HtpasswdFile } from "./htpasswd.ts";

/** How long a password that was right is known without the work of bcrypt, in ms. */
const REMEMBERED = 10 * 60_000;
const MOST = 10_000;

/** Who may come in. */
export interface Logins extends AsyncDisposable {
  /** Whether the user is known and the password theirs. @throws RegistryError `logins-exhausted` */
  check(user: string, password: string): Promise<boolean>;
}

/**
 * Checks passwords against a file of users. A wrong one and a user who does not exist cost the same work. What was right is
 * remembered under a keyed hash, never as it is; the user's line is part of it, so that a changed line forgets it at once.
 */
export function fileLogins(file: HtpasswdFile): Logins {
  const bcrypt = new Bcrypt();
  const key = randomBytes(32);
  const until = new Map<string, number>();
  const underway = new Map<string, Promise<boolean>>();

  async function compare(mac: string, password: string, hash: string): Promise<boolean> {
    const same = await bcrypt.compare(password, hash);
    if (same) {
      const [oldest] = until.keys();
      if (until.size >= MOST && oldest !== undefined) until.delete(oldest);
      until.set(mac, performance.now() + REMEMBERED);
    }
    return same;
  }

  return {
    async check(user, password) {
      const users = await file.users();
      const hash = users.get(user);
      const words = JSON.stringify([user, hash ?? "", password]);
      const mac = createHmac("sha256", key).update(words).digest("base64");
      const known = until.get(mac);
      if (known !== undefined && performance.now() < known) return true;
      until.delete(mac);
      // A node that starts pulls many layers at once, with one password.
      let comparing = underway.get(mac);
      if (comparing === undefined) {
        comparing = compare(mac, password, hash ?? nobody(users)).finally(() => underway.delete(mac));
        underway.set(mac, comparing);
      }
      return (await comparing) && hash !== undefined;
    },
    [Symbol.asyncDispose]: () => bcrypt[Symbol.asyncDispose](),
  };
}

/** A hash of nothing, as costly as the costliest of the file. */
function nobody(users: Htpasswd): string {
  const costs = [...users.values()].map((hash) => costOf(hash) ?? 0);
  const cost = costs.length === 0 ? 10 : Math.max(...costs);
  return `$2b$${String(cost).padStart(2, "0")}$${"x".repeat(53)}`;
}
