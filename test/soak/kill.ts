// Kills the command line with SIGKILL at points spread over the file operations and the bytes of what it does, in all its
// threads, and checks after each what must hold whenever a process dies. The checks share no code with the product.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { removeTree, temporaryFolder } from "../../src/base/index.ts";
import { numbersFrom } from "./flaky.ts";
import {
  checkArchive,
  checkCache,
  checkLayout,
  checkRepository,
  contents,
  listing,
  named,
} from "./kill-checks.ts";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");
const preload: string = pathToFileURL(join(import.meta.dirname, "kill-at.mjs")).href;

export interface KillReport {
  readonly kills: number;
  /** How many had not ended by themselves before. */
  readonly hit: number;
  /** How many commands came to their end although their registry was killed, since it was started again. */
  readonly waited: number;
  /** What each journey does when nobody disturbs it, and how often it was killed. */
  readonly journeys: readonly string[];
}

/** Where one process works: all that it may write is below. */
interface Place {
  readonly path: string;
  readonly counter: string;
}

/** What never changes: sources, made once. */
interface Sources {
  readonly folder: string;
  /** `oci:DIR:v`, and `HOST:PORT/image:v`. */
  readonly layout: string;
  readonly remote: string;
  /** One with an image `old`. */
  readonly archive: string;
  readonly tree: readonly string[];
}

interface Journey {
  readonly name: string;
  args(place: Place, sources: Sources, registry: string): readonly string[];
  /** What is there before. */
  readonly given?: (place: Place, sources: Sources) => Promise<void>;
  /**
   * A registry over a folder of the place is needed; `dies` says that it is the one to be killed. Of five, four are started
   * again at their address while the command goes on; the fifth stays dead until the command gives up.
   */
  readonly registry?: "lives" | "dies";
  /** What must hold at any time: nothing half-visible. Gives how much is visible. */
  check(place: Place, sources: Sources): Promise<number>;
  /** What is visible is whole, and is never written over: the next run refuses with exit code 2. */
  readonly once?: true;
}

const journeys: readonly Journey[] = [
  {
    name: "pack into a layout",
    args: (place, { folder }) => ["pack", folder, "-t", `oci:${place.path}/layout:v`],
    check: ({ path }) => checkLayout(join(path, "layout")),
  },
  {
    name: "pack into a registry",
    args: (_place, { folder }, registry) => ["pack", folder, "-t", `${registry}/image:v`],
    registry: "lives",
    check: ({ path }) => checkRepository(join(path, "served", "image")),
  },
  {
    name: "pack into a registry that dies",
    args: (_place, { folder }, registry) => ["pack", folder, "-t", `${registry}/image:v`],
    registry: "dies",
    check: ({ path }) => checkRepository(join(path, "served", "image")),
  },
  {
    name: "copy from layout to layout",
    args: (place, { layout }) => ["copy", layout, `oci:${place.path}/layout:v`],
    check: ({ path }) => checkLayout(join(path, "layout")),
  },
  {
    name: "pack into a new archive",
    args: (place, { folder }) => ["pack", folder, "-t", `oci-archive:${place.path}/image.tar:v`],
    check: ({ path }) => checkArchive(join(path, "image.tar"), []),
  },
  {
    name: "copy into an archive that has an image",
    given: ({ path }, { archive }) => copyFile(archive, join(path, "image.tar")),
    args: (place, { layout }) => ["copy", layout, `oci-archive:${place.path}/image.tar:v`],
    check: ({ path }) => checkArchive(join(path, "image.tar"), ["old"]),
  },
  {
    name: "copy from a registry to a layout",
    args: (place, { remote }) => ["copy", remote, `oci:${place.path}/layout:v`],
    check: ({ path }) => checkLayout(join(path, "layout")),
  },
  {
    name: "copy into a registry that dies",
    args: (_place, { layout }, registry) => ["copy", layout, `${registry}/image:v`],
    registry: "dies",
    check: ({ path }) => checkRepository(join(path, "served", "image")),
  },
  {
    name: "pull, unpack and run",
    args: (_place, { remote }) => ["run", "-v", `${remote}:/imgvol-volume`, "--", "true"],
    check: ({ path }, { tree }) => checkCache(join(path, "cache"), tree),
  },
  {
    name: "export to a folder",
    once: true,
    args: (place, { layout }) => ["export", layout, join(place.path, "out")],
    async check({ path }, { tree }) {
      const there = await stat(join(path, "out")).catch(() => undefined);
      if (there === undefined) return 0;
      assert.deepEqual(await listing(join(path, "out"), contents), tree, "an exported folder is whole");
      return 1;
    },
  },
];

/** Kills `kills` processes at moments that follow from `seed`, in turn over all journeys that have `only` in their name. */
export async function killEverything(kills: number, seed: number, only = ""): Promise<KillReport> {
  const random = numbersFrom(seed);
  await using folder = await temporaryFolder(tmpdir(), "imgvol-kill-");
  const { sources, registry } = await prepare(folder.path, random);
  let hit = 0;
  let restarts = 0;
  let waited = 0;
  const told: string[] = [];
  try {
    const chosen = journeys.filter(({ name }) => name.includes(only));
    for (const [j, journey] of chosen.entries()) {
      const share = Math.floor(kills / chosen.length) + (j < kills % chosen.length ? 1 : 0);
      const calm = await undisturbed(join(folder.path, `calm-${j}`), journey, sources);
      told.push(`${journey.name}: ${calm.operations} operations, ${calm.bytes} bytes, ${share} kills`);
      for (let i = 0; i < share; i++) {
        // Spread evenly, each a little aside; by turns over operations and over bytes.
        const at = (i + random()) / share;
        const env =
          i % 3 === 2
            ? { KILL_AT_BYTE: String(Math.ceil(at * calm.bytes)) }
            : { KILL_AT_OPERATION: String(Math.ceil(at * calm.operations)) };
        const what = `seed ${seed}, ${journey.name}, ${JSON.stringify(env)}`;
        try {
          const path = join(folder.path, `place-${j}-${i}`);
          const returns = journey.registry === "dies" && i % 5 !== 0;
          const met = await killedOnce(path, journey, sources, env, calm, returns);
          if (returns) restarts++;
          if (met !== "nothing") hit++;
          if (met === "waited") waited++;
        } catch (cause) {
          throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
        }
      }
    }
  } finally {
    await registry.end("SIGKILL");
  }
  // Of a registry that dies before its first answer nobody can know that it was there: not each is waited for.
  assert.ok(waited > 0 || restarts === 0, "no command waited for a registry that was started again");
  return { kills, hit, waited, journeys: told };
}

interface Calm {
  readonly operations: number;
  readonly bytes: number;
  readonly stdout: string;
  readonly listing: readonly string[];
}

async function undisturbed(path: string, journey: Journey, sources: Sources): Promise<Calm> {
  const place = await placeAt(path);
  await journey.given?.(place, sources);
  const [ran] = await travel(journey, place, sources, {});
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok((await journey.check(place, sources)) > 0, "the check sees what an undisturbed run made");
  const calm = {
    operations: (await stat(place.counter)).size,
    bytes: (await stat(`${place.counter}.bytes`)).size * 256,
    stdout: answer(ran.stdout),
    listing: await listing(path, named),
  };
  await removeTree(path);
  return calm;
}

/**
 * One process killed, what is left checked, and the same command run again. Gives whether one was killed before its end, and
 * whether the command waited for it.
 */
async function killedOnce(
  path: string,
  journey: Journey,
  sources: Sources,
  env: Readonly<Record<string, string>>,
  calm: Calm,
  returns: boolean,
): Promise<"nothing" | "killed" | "waited"> {
  const place = await placeAt(path);
  await journey.given?.(place, sources);
  const [ran, server, second] = await travel(journey, place, sources, env, returns);
  const killed = (journey.registry === "dies" ? server : ran.signal) === "SIGKILL";
  if (journey.registry === "dies") assert.ok(ran.code === 0 || ran.code === 3, ran.stderr);
  else assert.ok(killed || ran.code === 0, `ended by itself with ${ran.code}: ${ran.stderr}`);
  const done = (await journey.check(place, sources)) > 0 && journey.once === true;
  const [again] = await travel(journey, place, sources, {});
  assert.equal(again.code, done ? 2 : 0, `the next run: ${again.stderr}`);
  if (!done) assert.equal(answer(again.stdout), calm.stdout, "the next run gives the same answer");
  assert.ok((await journey.check(place, sources)) > 0);
  const left = await listing(path, named);
  const aside = left.filter((name) => !calm.listing.includes(name));
  for (const line of aside) {
    const name = line.trimEnd();
    // Of a dead writer that had placed all that it wrote, the lock and the empty folder stay where the next run has nothing
    // more to write: the next that writes sweeps them. In the system's own folder for temporary files, which the system
    // sweeps, folders alone may stay.
    if (/(?:\/\.imgvol\/writers|^cache\/tmp)\/[^/]*\.lock(?:-journal)?$/.test(name)) continue;
    // An upload may go on for an hour, also after the registry died: its bytes, and the record that says whose they are.
    const upload = /^served\/_uploads\/[0-9a-f-]{36}(?=$|\.json$)/.exec(name)?.[0];
    if (upload !== undefined && aside.some((other) => other.trimEnd() === `${upload}.json`)) continue;
    const folder = (await stat(join(path, name))).isDirectory();
    const harmless = /^tmp\/|\/writers\/w-[^/]*$/.test(name) && folder;
    assert.ok(harmless, `of the dead process is left after the next run: ${name}`);
  }
  const missing = calm.listing.filter((name) => !left.includes(name));
  assert.deepEqual(missing, [], "all that an undisturbed run makes is there");
  await removeTree(path);
  if (!killed) return "nothing";
  return second && ran.code === 0 ? "waited" : "killed";
}

/** An answer without the place and the port that it was given for. */
function answer(stdout: string): string {
  return stdout.replace(/^.*@/gm, "").replace(/^\/.*\//gm, "");
}

async function placeAt(path: string): Promise<Place> {
  await mkdir(join(path, "tmp"), { recursive: true });
  return { path, counter: `${path}.count` };
}

/**
 * Runs the journey's command, with its registry where it needs one; `env` is for the one that is to die. A registry that dies
 * is started again where it `returns`. Gives how the command ended, the signal that ended its registry, and whether there
 * was a second one.
 */
async function travel(
  journey: Journey,
  place: Place,
  sources: Sources,
  env: Readonly<Record<string, string>>,
  returns = false,
): Promise<[Ran, NodeJS.Signals | null, boolean]> {
  const doomed = { KILL_COUNTER: place.counter, NODE_OPTIONS: `--import ${preload}`, ...env };
  for (const file of [place.counter, `${place.counter}.bytes`]) await writeFile(file, "");
  const dies = journey.registry === "dies";
  if (journey.registry === undefined) {
    return [await ended(start(journey.args(place, sources, ""), place, doomed)), null, false];
  }
  const dir = join(place.path, "served");
  const registry = await serve(dir, place, dies ? doomed : {});
  const command = ended(start(journey.args(place, sources, registry.address), place, dies ? {} : doomed));
  const again = returns ? restarted(registry, dir, place, command) : undefined;
  const ran = await command;
  const by = await registry.end("SIGTERM");
  const second = await again;
  await second?.end("SIGTERM");
  return [ran, by, second !== undefined];
}

/** Starts a registry again, at its address, if it dies before the command has ended. */
async function restarted(
  dead: Served,
  dir: string,
  place: Place,
  command: Promise<Ran>,
): Promise<Served | undefined> {
  const first = await Promise.race([dead.ended.then(() => "registry"), command.then(() => "command")]);
  return first === "registry" && dead.listened ? serve(dir, place, {}, dead.address) : undefined;
}

interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], place: Place, env: Readonly<Record<string, string>>): ChildProcess {
  const own = { TMPDIR: join(place.path, "tmp"), IMGVOL_CACHE: join(place.path, "cache") };
  return spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...own, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function ended(child: ChildProcess): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, stdout, stderr };
}

interface Served {
  /** `HOST:PORT` */
  readonly address: string;
  /** False where it died before it listened: its address is one that nobody reaches. */
  readonly listened: boolean;
  readonly ended: Promise<unknown>;
  /** Ends it, where it has not ended, and gives the signal that did. */
  end(signal: NodeJS.Signals): Promise<NodeJS.Signals | null>;
}

/** A registry over a folder in a process of its own. One that dies before it listens is a registry nobody reaches. */
async function serve(
  dir: string,
  place: Place,
  env: Readonly<Record<string, string>>,
  listen = "127.0.0.1:0",
): Promise<Served> {
  const child = start(["registry", "serve", "--listen", listen, "--dir", dir], place, env);
  const close = once(child, "close");
  child.stderr?.resume();
  const first = await Promise.race([once(child.stdout ?? child, "data"), close.then(() => [""])]);
  const address = /^http:\/\/(\S+?)\/?\s/.exec(String(first[0]))?.[1];
  return {
    address: address ?? "127.0.0.1:9",
    listened: address !== undefined,
    ended: close,
    async end(signal) {
      child.kill(signal);
      const [, by] = await close;
      return by;
    },
  };
}

async function prepare(root: string, random: () => number): Promise<{ sources: Sources; registry: Served }> {
  const folder = join(root, "source");
  await mkdir(join(folder, "many", "empty"), { recursive: true });
  const noise = Buffer.from(Uint32Array.from({ length: 400_000 }, () => random() * 2 ** 32).buffer);
  await writeFile(join(folder, "noise"), noise);
  await writeFile(join(folder, "text"), "a line of text\n".repeat(60_000));
  for (let i = 0; i < 40; i++) {
    const mode = i % 5 === 0 ? 0o755 : 0o644;
    await writeFile(join(folder, "many", `${i}`), noise.subarray(i * 64, i * 1500), { mode });
  }
  await symlink("../text", join(folder, "many", "link"));
  const place = await placeAt(join(root, "prepare"));
  const layout = `oci:${join(root, "layout")}:v`;
  const registry = await serve(join(root, "served"), place, {});
  const remote = `${registry.address}/image:v`;
  const packed = await ended(start(["pack", folder, "-t", layout, "-t", remote], place, {}));
  assert.equal(packed.code, 0, packed.stderr);
  const archive = join(root, "old.tar");
  const old = await ended(
    start(["pack", join(folder, "many"), "-t", `oci-archive:${archive}:old`], place, {}),
  );
  assert.equal(old.code, 0, old.stderr);
  return { sources: { folder, layout, remote, archive, tree: await listing(folder, contents) }, registry };
}

if (basename(process.argv[1] ?? "") === "kill.ts") {
  const [kills = "20", seed = String(Math.floor(Math.random() * 2 ** 31)), only] = process.argv.slice(2);
  console.log(`seed ${seed}`);
  console.log(JSON.stringify(await killEverything(Number(kills), Number(seed), only), undefined, 2));
}
