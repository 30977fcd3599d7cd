// Runs the tests that need Node.js alone as an ordinary user. Root may do what users may not, so that its own run proves
// little about modes, owners and namespaces; and nothing that the tests run may write into the checkout.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";

const USER = 65_534;
const checkout: string = dirname(import.meta.dirname);

if (process.getuid?.() !== 0) {
  console.log("not root: the plain `npm test` is the run of an ordinary user, there is nothing to add");
  process.exit(0);
}
const home = mkdtempSync(join(tmpdir(), "imgvol-user-"));
try {
  const place = readable();
  console.log(`as user ${USER}, in ${place}`);
  const run = asUser(place, ["tools/test.ts", "unit", ...process.argv.slice(2)]);
  if (run.error !== undefined) throw run.error;
  process.exitCode = run.status ?? 1;
  const left = readdirSync(join(home, "tmp"));
  if (left.length > 0) {
    console.error(`error: the tests left temporary files: ${left.slice(0, 10).join(" ")} (${left.length})`);
    process.exitCode = 1;
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}

/** Runs Node.js in a checkout as an ordinary user with a home of its own. */
function asUser(
  place: string,
  args: readonly string[],
  stdio: "inherit" | "ignore" = "inherit",
): SpawnSyncReturns<Buffer> {
  const tmp = join(home, "tmp");
  mkdirSync(tmp, { recursive: true });
  for (const path of [home, tmp]) chownSync(path, USER, USER);
  const node = process.execPath.replace(checkout, place);
  const path = [join(place, "node_modules/.bin"), dirname(node), process.env["PATH"]].join(delimiter);
  const env = {
    ...process.env,
    HOME: home,
    TMPDIR: tmp,
    XDG_CACHE_HOME: join(home, "cache"),
    // The one in the checkout is root's: without any, each start of the command line would take twice as long.
    NODE_COMPILE_CACHE: join(home, "compile"),
    PATH: path,
  };
  const ids = ["--reuid", String(USER), "--regid", String(USER), "--clear-groups"];
  return spawnSync("setpriv", [...ids, "--", node, ...args], { cwd: place, env, stdio });
}

/** This checkout, or a copy where the user cannot see into it: below root's home, for example. */
function readable(): string {
  const look = ["--eval", "require('node:fs').readdirSync('node_modules')"];
  if (asUser(checkout, look, "ignore").status === 0) return checkout;
  const copy = join(home, "checkout");
  const leftOut = new Set([".git", ".cache", "dist"]);
  cpSync(checkout, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => dirname(path) !== checkout || !leftOut.has(basename(path)),
  });
  return copy;
}
