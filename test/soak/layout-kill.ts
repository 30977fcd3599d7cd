// Kills writers of one layout or archive at many moments, and checks after each what must hold whenever a writer dies.
// As a program: node test/soak/layout-kill.ts [ROUNDS] [SEED] [layout|archive]
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { copy, openStore } from "../../src/copy/index.ts";
import { canonicalJson, digester, MediaType, parseDigest, parseReference } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { checkArchive } from "./kill-checks.ts";

const call = quietCall();
const writer = fileURLToPath(new URL("layout-writer.ts", import.meta.url));

export interface KillReport {
  readonly rounds: number;
  /** Tags that were acknowledged before a kill, and found whole after it. */
  readonly kept: number;
  /** Rounds after which a dead writer's files lay there to be swept. */
  readonly swept: number;
}

/** What writers write, and what must hold of it. */
interface Place {
  /** As a reference. */
  readonly reference: string;
  /** What dead writers left. */
  leftovers(): Promise<readonly string[]>;
  /** Nothing but what belongs there is there, and what can be seen is whole. */
  check(when: string): Promise<void>;
}

const places = { layout: layoutIn, archive: archiveIn };

/** Runs `rounds` rounds of two writers each, killed with SIGKILL at moments that follow from `seed`. */
export async function killWriters(
  rounds: number,
  seed: number,
  kind: keyof typeof places = "layout",
): Promise<KillReport> {
  const dir = await mkdtemp(join(tmpdir(), "imgvol-kill-"));
  const preload = fileURLToPath(new URL("kill-at.mjs", import.meta.url));
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let kept = 0;
  let swept = 0;
  try {
    const home = join(dir, "home");
    await mkdir(home);
    const place = places[kind](home);
    for (let round = 0; round < rounds; round++) {
      const doomed = [0, 1].map((w) => {
        const byBytes = random(3) === 0;
        const env = {
          ...process.env,
          KILL_COUNTER: join(dir, `count-${round}-${w}`),
          ...(byBytes
            ? { KILL_AT_BYTE: String(1 + random(3_000_000)) }
            : { KILL_AT_OPERATION: String(1 + random(random(2) === 0 ? 60 : 600)) }),
        };
        return said(["--import", preload, writer, place.reference, `${round}${w}`], env);
      });
      const acknowledged = (await Promise.all(doomed)).flat();
      if ((await place.leftovers()).length > 0) swept++;
      kept += await checkStore(place, acknowledged, `seed ${seed}, round ${round}`);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return { rounds, kept, swept };
}

/** The lines that a program says before it is killed; it must not end otherwise. */
async function said(args: readonly string[], env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const signal = await new Promise((resolve) => child.on("close", (_code, by) => resolve(by)));
  assert.equal(signal, "SIGKILL", err);
  return out.split("\n").slice(0, -1);
}

function layoutIn(dir: string): Place {
  const layout = join(dir, "layout");
  return {
    reference: `oci:${layout}`,
    leftovers: () => readdir(join(layout, ".imgvol", "writers")).catch(() => []),
    async check(when) {
      const names = await readdir(layout);
      assert.deepEqual(names.sort(), [".imgvol", "blobs", "index.json", "oci-layout"], when);
      for (const algorithm of await readdir(join(layout, "blobs"))) {
        for (const hex of await readdir(join(layout, "blobs", algorithm))) {
          const digest = parseDigest(`${algorithm}:${hex}`);
          const hash = digester(digest);
          hash.update(await readFile(join(layout, "blobs", algorithm, hex)));
          assert.equal(hash.digest(), digest, `${when}: a blob that is not whole`);
        }
      }
    },
  };
}

function archiveIn(dir: string): Place {
  const name = "image.tar";
  return {
    reference: `oci-archive:${join(dir, name)}`,
    leftovers: async () => (await readdir(dir)).filter((other) => other !== name),
    async check(when) {
      assert.deepEqual(await readdir(dir), [name], when);
      await checkArchive(join(dir, name), []);
    },
  };
}

/** The next run succeeds; every visible blob is whole; every tag leads to a whole image; what was acknowledged is there. */
async function checkStore(place: Place, acknowledged: readonly string[], when: string): Promise<number> {
  const store = await openStore(parseReference(place.reference), { create: true }, call);
  const manifest = { schemaVersion: 2, mediaType: MediaType.index, manifests: [], annotations: { when } };
  const d = await store.ingest(MediaType.index, fromBytes(canonicalJson(manifest)), call);
  await store.tag("next", d, call);
  assert.deepEqual(await place.leftovers(), [], `${when}: leftovers of dead writers`);
  await place.check(when);

  const tags = new Set<string>();
  for await (const tag of store.can.tags?.list(call) ?? []) {
    tags.add(tag);
    await copy(store, tag, memoryStore(), tag, {}, call);
  }
  // A writer removes its tags 3, 8, 13, … again.
  const lasting = acknowledged.filter((name) => Number(name.split("-")[1]) % 5 !== 3);
  for (const name of lasting) assert.ok(tags.has(name), `${when}: ${name} was acknowledged, and is gone`);
  for (const name of tags) await store.can.delete?.untag(name, call);
  return lasting.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [rounds = "200", seed = "1", kind] = process.argv.slice(2);
  const report = await killWriters(Number(rounds), Number(seed), kind === "archive" ? "archive" : "layout");
  console.log(JSON.stringify({ seed: Number(seed), ...report }));
}
