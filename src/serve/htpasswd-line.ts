import { hash, truncates } from "bcryptjs";
import { RegistryError } from "../registry/index.ts";

/** As `htpasswd -B -C 10` does: some 50 ms for each check. */
const COST = 10;

/**
 * A user's line for a file of users, with a new salt.
 * @throws RegistryError `htpasswd-invalid` for a name or password that no line can have
 */
export async function htpasswdLine(user: string, password: string): Promise<string> {
  const invalid = (message: string, hint: string): RegistryError =>
    new RegistryError("htpasswd-invalid", message, { hint, wrongUse: true });
  if (!/^[^:#\s\p{Cc}][^:\s\p{Cc}]*$/u.test(user)) {
    throw invalid(
      `not a user's name: ${JSON.stringify(user)}`,
      "a name has no colon and no space, and begins with no #",
    );
  }
  if (password === "") throw invalid("the password is empty", "give one");
  if (truncates(password)) {
    throw invalid(
      "the password has more than 72 bytes",
      "bcrypt sees no more than these: take a shorter one",
    );
  }
  return `${user}:${await hash(password, COST)}`;
}
