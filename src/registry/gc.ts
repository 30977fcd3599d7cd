import { type Call, errno, type Finding, ImgvolError, isAbort, messageOf, printable } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import type { Backing, Repository } from "./backing.ts";
import type { Contents, Lying } from "./contents.ts";
import { RegistryError } from "./errors.ts";
import { Marks } from "./gc-marks.ts";
import type { Collected, GcOptions, GcReport } from "./gc-report.ts";
import type { Sessions } from "./sessions.ts";

const GRACE_MS = 60 * 60_000;
/** How much goes while the gate is held: others wait meanwhile. */
const BATCH = 100;

/**
 * Takes away what nothing needs: blobs that no manifest names, what a crash left, empty repositories, uploads that nobody
 * continues. Safe while others push and pull. What a client relies on is looked at and noted within the gate, and what is going
 * goes within it, after a last look; so a client is never told of content that is gone before its grace is over, and no
 * manifest is taken whose content is gone. An abort leaves what was not reached.
 */
export async function collectGarbage(
  backing: Backing,
  sessions: Sessions,
  options: GcOptions,
  call: Call,
): Promise<GcReport> {
  const dryRun = options.dryRun ?? false;
  const uploads = await sessions.expire(dryRun);
  const collection = new Collection(backing, options);
  const repositories: Collected[] = [];
  const findings: Finding[] = [];
  for await (const name of backing.names(call)) {
    call.signal.throwIfAborted();
    try {
      const collected = await collection.sweep(name, call);
      if (collected !== undefined) repositories.push(collected);
    } catch (error) {
      if (call.signal.aborted || isAbort(error)) throw error;
      if (!(error instanceof ImgvolError || errno(error) !== undefined)) throw error;
      // A push that failed may have taken away the repository that it made, and another one made it anew.
      if (error instanceof RegistryError && error.code === "name-unknown") continue;
      if (!(await isThere(backing, name, call))) continue;
      findings.push(stopped(name, error));
    }
  }
  try {
    if (!dryRun) await backing.forgetGone?.(call);
  } catch (error) {
    // What was collected is told all the same.
    if (call.signal.aborted || isAbort(error) || errno(error) === undefined) throw error;
    findings.push(stopped(backing.origin, error));
  }
  const bytes = repositories.reduce((sum, collected) => sum + collected.bytes, uploads.bytes);
  return { dryRun, repositories, uploads, bytes, findings };
}

/** One run over all repositories. */
class Collection {
  readonly #backing: Backing;
  readonly #keeping: { readonly untagged: boolean; readonly since: number };
  readonly #dryRun: boolean;
  /** How many names of a file would have gone by now. */
  readonly #gone = new Map<string, number>();

  constructor(backing: Backing, { untagged = false, grace = GRACE_MS, dryRun = false }: GcOptions) {
    this.#backing = backing;
    this.#keeping = { untagged, since: Date.now() - grace };
    this.#dryRun = dryRun;
  }

  /** Undefined where nothing went. */
  async sweep(name: string, call: Call): Promise<Collected | undefined> {
    const repository = await this.#backing.find(name, call);
    const contents = repository?.contents;
    if (repository === undefined || contents === undefined) return undefined;
    const marks = new Marks(repository, contents, this.#keeping);
    await marks.refresh(call);
    const { candidates, kept } = await this.#look(repository, contents, marks, call);
    const went = { manifests: 0, blobs: 0, bytes: 0 };
    for (let at = 0; at < candidates.length; at += BATCH) {
      call.signal.throwIfAborted();
      await repository.gate.exclusive(async () => {
        await marks.refresh(call);
        for (const digest of candidates.slice(at, at + BATCH)) {
          const lying = await this.#isGarbage(digest, repository, contents, marks);
          if (lying === undefined) continue;
          went.bytes += this.#freed(lying);
          if (marks.isRecorded(digest)) went.manifests++;
          else went.blobs++;
          if (!this.#dryRun) await remove(digest, lying.size, repository, contents, marks, call);
        }
      });
    }
    const leftovers = await this.#leftovers(repository, contents, call);
    const removed = kept === 0 && (await this.#discard(repository, contents, new Set(candidates), call));
    if (went.manifests + went.blobs + leftovers === 0 && !removed) return undefined;
    return { name, ...went, leftovers, removed };
  }

  async #discard(
    repository: Repository,
    contents: Contents,
    gone: ReadonlySet<Digest>,
    call: Call,
  ): Promise<boolean> {
    if (!this.#dryRun) return await this.#backing.discard(repository, call);
    return (await contents.named(call)).every(({ digest }) => gone.has(digest));
  }

  /** What may be garbage: manifests first, so that none is left without its content. */
  async #look(
    repository: Repository,
    contents: Contents,
    marks: Marks,
    call: Call,
  ): Promise<{ candidates: readonly Digest[]; kept: number }> {
    const manifests: Digest[] = [];
    const blobs: Digest[] = [];
    let kept = 0;
    for await (const lying of contents.blobs(call)) {
      const { digest } = lying;
      if (!this.#mayGo(lying, repository, marks)) kept++;
      else if (marks.isRecorded(digest) || marks.isNamed(digest)) manifests.push(digest);
      else blobs.push(digest);
    }
    return { candidates: [...manifests, ...blobs], kept };
  }

  #mayGo({ digest, since }: Lying, { recent }: Repository, marks: Marks): boolean {
    return !marks.has(digest) && !recent.since(digest, this.#keeping.since) && since <= this.#keeping.since;
  }

  async #isGarbage(
    digest: Digest,
    repository: Repository,
    contents: Contents,
    marks: Marks,
  ): Promise<Lying | undefined> {
    const lying = await contents.lying(digest);
    return lying !== undefined && this.#mayGo(lying, repository, marks) ? lying : undefined;
  }

  /** The bytes that the disk gets back: with the last name of a file. */
  #freed({ file, names, size }: Lying): number {
    if (!this.#dryRun) return names === 1 ? size : 0;
    const gone = (this.#gone.get(file) ?? 0) + 1;
    if (names > 1) this.#gone.set(file, gone);
    return gone === names ? size : 0;
  }

  async #leftovers(repository: Repository, contents: Contents, call: Call): Promise<number> {
    const found: string[] = [];
    for await (const name of contents.leftovers(call)) found.push(name);
    if (this.#dryRun) return found.length;
    let removed = 0;
    for (let at = 0; at < found.length; at += BATCH) {
      call.signal.throwIfAborted();
      await repository.gate.exclusive(async () => {
        for (const name of found.slice(at, at + BATCH)) {
          if (await contents.removeLeftover(name, call)) removed++;
        }
      });
    }
    await contents.sweepWriters(call);
    return removed;
  }
}

async function remove(
  digest: Digest,
  size: number,
  { store }: Repository,
  contents: Contents,
  marks: Marks,
  call: Call,
): Promise<void> {
  if (marks.isRecorded(digest)) await contents.bury(digest);
  const d = { mediaType: "application/octet-stream", digest, size };
  if (marks.isNamed(digest)) await store.can.delete?.delete(d, call);
  else await contents.remove(digest);
}

async function isThere(backing: Backing, name: string, call: Call): Promise<boolean> {
  try {
    return (await backing.find(name, call)) !== undefined;
  } catch {
    // Not in a state to be opened.
    return true;
  }
}

function stopped(name: string, error: unknown): Finding {
  return {
    code: "gc-stopped",
    severity: "error",
    subject: name,
    message: `nothing more was collected in ${name}: ${printable(messageOf(error))}`,
    fix: ["delete what is damaged, push it again, and collect once more"],
  };
}
