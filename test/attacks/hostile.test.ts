import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Call, ImgvolError, isAbort, Network, quietCall, removeTree } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { exportTar, inspect, ls } from "../../src/pack/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { type Cache, openCache } from "../../src/volume/index.ts";
import { numbersFrom } from "../soak/flaky.ts";
import { picture } from "../volume/images.ts";
import {
  type Chance,
  chanceFrom,
  type Hostile,
  hostileArchive,
  hostileManifest,
  indexed,
} from "./hostile-image.ts";
import { faults, hostileRegistry } from "./hostile-registry.ts";

// A seed of one's own: HOSTILE_SEED=7. Each case has a seed of its own, which a failure names.
const seed = Number(process.env["HOSTILE_SEED"] ?? 20261123);
const LIMITS = { bytes: 4 << 20, entries: 100, depth: 20 };
/** No case may take longer, in milliseconds: more is a hang. */
const BOUND = 30_000;

let folder = "";
let outside = "";
let untouched: string[] = [];
let cache: Cache;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "imgvol-hostile-"));
  outside = join(folder, "outside");
  await mkdir(join(outside, "sub"), { recursive: true });
  await writeFile(join(outside, "target"), "untouched", { mode: 0o600 });
  await writeFile(join(outside, "sub", "inner"), "untouched");
  await symlink("target", join(outside, "link"));
  untouched = await picture(outside);
  cache = await openCache(join(folder, "cache"));
});
after(() => removeTree(folder));

/** Runs cases by their seeds; a failure names the seed. */
async function cases(
  count: number,
  run: (c: Chance, call: Call) => Promise<string>,
): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const own = seed + i;
    try {
      const outcome = await run(chanceFrom(numbersFrom(own)), quietCall(AbortSignal.timeout(BOUND)));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (cause) {
      throw new Error(`HOSTILE_SEED=${own}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
  return outcomes;
}

/** What work came to: its result, or the code of its error. Any other error, and a hang, fail the case. */
async function codeOr(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    assert.ok(
      !isAbort(error) && !(error instanceof Error && error.name === "TimeoutError"),
      `a hang: ${error}`,
    );
    if (!(error instanceof ImgvolError)) throw error;
    assert.match(error.code, /^[a-z]+(?:-[a-z]+)*$/);
    assert.ok(error.message.length > 0);
    return `error ${error.code}`;
  }
}

async function contents(store: Store, call: Call): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of exportTar(store, "v", {}, call)) hash.update(chunk);
  return hash.digest("hex");
}

/** Unpacks, and looks at what is around: nothing was touched, and nothing half-made is left. */
async function unpacked(store: Store, call: Call): Promise<string> {
  const outcome = await codeOr(async () => {
    await using volume = await cache.volume(store, "v", { limits: LIMITS }, call);
    for (const line of await picture(volume.root)) {
      assert.doesNotMatch(
        line,
        / \?$|\/ [1-7]\d{3}$| [1-7]\d{3} \d+ [0-9a-f]{8} \d+$/,
        "no device, no special bit",
      );
    }
    assert.deepEqual(
      (await cache.verify(call)).flatMap((v) => v.findings),
      [],
    );
    return "a volume";
  });
  await cache.prune({ all: true }, call);
  assert.deepEqual(await picture(cache.path), await empty(), outcome);
  assert.deepEqual(await picture(outside), untouched, outcome);
  return outcome;
}

/** A cache in which nothing is but locks. */
async function empty(): Promise<string[]> {
  return (await picture(cache.path)).filter((line) => /^(?:volumes|tmp|mounts|locks)\/ |^locks\//.test(line));
}

/** The same as the unbroken image, or an error; else a node must refuse to make a volume of it. */
async function judged({ store, unbroken }: Hostile, call: Call): Promise<string> {
  await codeOr(async () => JSON.stringify(await inspect(store, "v", call)));
  await codeOr(async () => {
    for await (const _entry of ls(store, "v", "", {}, call));
    return "";
  });
  const seen = await codeOr(() => contents(store, call));
  if (seen.startsWith("error")) return seen;
  if (unbroken === undefined) return "as it is";
  if (seen === (await contents(unbroken, call))) return "as unbroken";
  const refused = await unpacked(store, call);
  assert.match(refused, /^error /, "another content than the unbroken image's is no volume");
  return refused;
}

function told(outcomes: Map<string, number>): string {
  return [...outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(", ");
}

test("450 archives, looked into", async (t) => {
  const outcomes = await cases(450, async (c, call) => {
    const hostile = await hostileArchive(c, outside);
    return await judged(hostile, call);
  });
  t.diagnostic(`seed ${seed}: ${told(outcomes)}`);
  assert.deepEqual(await picture(outside), untouched);
  assert.ok(outcomes.size > 6, "many ends were met");
});

test("60 archives, unpacked", async (t) => {
  const outcomes = await cases(60, async (c, call) =>
    unpacked((await hostileArchive(c, outside)).store, call),
  );
  t.diagnostic(`seed ${seed}: ${told(outcomes)}`);
  assert.ok(outcomes.size > 4, "many ends were met");
});

test("300 manifests, indexes and configs", async (t) => {
  const outcomes = await cases(300, async (c, call) => {
    const hostile = await hostileManifest(c);
    await codeOr(async () => (await copy(hostile.store, "v", memoryStore(), "v", {}, call)).digest);
    return await judged(hostile, call);
  });
  t.diagnostic(`seed ${seed}: ${told(outcomes)}`);
  assert.ok(outcomes.size > 4, "many ends were met");
});

test("250 registry answers: an error, or the very image", async (t) => {
  const good = await indexed((_name, value) => Buffer.from(JSON.stringify(value)));
  const { digest } = await good.resolve("v", quietCall());
  const expected = await contents(good, quietCall());
  const secrets: string[] = [];
  // Whoever is elsewhere is told no secret, and has nothing to say.
  const elsewhere = createServer((request, response) => {
    if (request.headers.authorization !== undefined) secrets.push(request.headers.authorization);
    response.writeHead(200, { "content-type": "application/json" }).end('{"token":"t"}');
  }).listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  const place = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/x`;
  await using registry = await hostileRegistry(good, place);
  const names = Object.keys(faults);
  let i = 0;
  const outcomes = await cases(250, async (c, call) => {
    const name = names[i++ % names.length] ?? "";
    const times = c.of([1, 1, 2, Number.POSITIVE_INFINITY]);
    const on = c.of(["manifests", "blobs"] as const);
    registry.plan = { on, from: c.below(2), times, fault: faults[name] ?? assert.fail() };
    using network = new Network({ env: {} });
    await using store = openRemote(
      { registry: registry.registry, repository: "image" },
      { network, retry: { attempts: 3, delay: 1, longest: 1000 }, idleTimeout: 300 },
    );
    const to = memoryStore();
    const outcome = await codeOr(async () => (await copy(store, "v", to, "v", {}, call)).digest);
    if (outcome.startsWith("error")) {
      await assert.rejects(to.resolve("v", call), { code: "not-found" }, `${name}: no tag of half an image`);
      return outcome;
    }
    assert.equal(outcome, digest, name);
    assert.equal(await contents(to, call), expected, name);
    return "the image";
  }).finally(() => elsewhere.close());
  elsewhere.closeAllConnections();
  t.diagnostic(`seed ${seed}: ${told(outcomes)}`);
  assert.deepEqual(secrets, []);
  assert.ok((outcomes.get("the image") ?? 0) > 20 && outcomes.size > 5, "both ends were met");
});
