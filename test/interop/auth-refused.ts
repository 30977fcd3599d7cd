import assert from "node:assert/strict";
import { dockerCredentials } from "../../src/auth/index.ts";
import { Network, quietCall } from "../../src/base/index.ts";
import type { Store, StoreError } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { imgvol } from "../cli/imgvol.ts";
import { putImage } from "../contract/store.ts";
import { type AuthRegistry, assertNoSecret, type Home, spellings } from "./auth-registries.ts";

const call = quietCall();
export const SECRET: string = "s3kret-Pä:ss w0rd/+";
export const WRONG: string = "wr0ng-Pä:ss w0rd/+";
/** All that may be told nowhere. */
export const SECRETS: readonly string[] = [
  ...spellings("ann", SECRET),
  ...spellings("ann", WRONG),
  ...spellings("bob", SECRET),
];
/** What files of credentials hold of a user. */
export const auth = (user: string, password: string): { auth: string } => ({
  auth: Buffer.from(`${user}:${password}`).toString("base64"),
});
/** How a verb has to fail. */
export interface Expected {
  readonly code: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

/** Runs a verb that has to fail: as a process that says all that it can, and as a call, whose error has a code. */
export async function refused(
  args: readonly string[],
  at: Home,
  registry: AuthRegistry,
  work: (open: (repository: string) => Store) => Promise<unknown>,
  expected: Expected,
): Promise<void> {
  const ran = await imgvol([...args, "--verbose"], { env: at.env });
  assert.equal(ran.code, 3, ran.stderr);
  assert.match(ran.stderr, expected.message);
  assert.match(ran.stderr, expected.hint);
  const network = new Network({ env: {} });
  try {
    const options = { network, credentials: dockerCredentials(at.env), retry: { attempts: 1 } };
    const open = (repository: string): Store => openRemote({ registry: registry.host, repository }, options);
    await assert.rejects(work(open), (error: StoreError) => {
      assert.equal(error.code, expected.code, error.message);
      assert.match(error.message, expected.message);
      assert.match(error.hint ?? "", expected.hint);
      return true;
    });
  } finally {
    network[Symbol.dispose]();
  }
  assertNoSecret(ran.stdout, SECRETS, "stdout");
  assertNoSecret(ran.stderr, SECRETS, "stderr");
  assertNoSecret(await at.remains(), SECRETS, "what is left on the disk");
  assertNoSecret(registry.accessLog.join("\n"), SECRETS, "the access log");
}

export const push = (open: (repository: string) => Store): Promise<unknown> => putImage(open("team/app"), 1);
export const pull = (open: (repository: string) => Store): Promise<unknown> =>
  open("team/app").resolve("1", call);
