// 64 clients push, pull and delete images that share layers, while the server is killed and garbage is collected all the time.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ImgvolError, Network, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { collectFolder } from "../../src/registry/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { numbersFrom } from "./numbers.ts";
import { type Image, Images } from "./registry-images.ts";
import { checkBlobs, isLoss, pullRaw, pushRaw, Violation } from "./registry-requests.ts";
import { KillableRegistry } from "./registry-server.ts";

const CLIENTS = 64;
/** Images that a client leaves standing before it deletes its oldest. */
const STANDING = 1;
const REPOSITORIES = ["team/a", "team/b", "c"];
/** What nobody asked for so long is collected: mostly more than a push takes, and now and then much less. */
const GRACE_MS = [1500, 1500, 1500, 100, 0];
/** Nothing takes so long that is not stuck. */
const STALL_MS = 60_000;
/** What the server may have of resident memory. */
export const SERVER_LIMIT: number = 250 * 1e6;

export interface RegistrySoak {
  readonly kills: number;
  readonly pushed: number;
  readonly pulled: number;
  readonly deleted: number;
  /** Pushes, pulls and deletes that were lost with the server or refused, and tried again. */
  readonly lost: number;
  /** Acknowledged images that stood at the end, each verified byte for byte. */
  readonly standing: number;
  readonly collections: number;
  /** Bytes that they freed. */
  readonly freed: number;
  /** Of the server's resident memory. */
  readonly peak: number;
}

/** An image of which a client was told that the registry has it. */
interface Acknowledged {
  readonly repository: string;
  readonly tag: string;
  readonly image: Image;
  readonly refers: boolean;
  /** Somebody has begun to delete it: from then on it may be there or not. */
  going: boolean;
}

/**
 * Throws where an acknowledged image is not there, or is not what was pushed, where a deleted tag comes back, where the server
 * ends by itself, fails a request or says that something is damaged.
 */
export async function soakRegistry(kills: number, seed: number): Promise<RegistrySoak> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  await using server = await KillableRegistry.start(folder.path);
  const soak = new Soak(server, folder.path, seed);
  return await soak.run(kills);
}

class Soak {
  readonly #server: KillableRegistry;
  readonly #folder: string;
  readonly #random: () => number;
  readonly #images: Images;
  readonly #network = new Network({ env: {} });
  readonly #stores: ReadonlyMap<string, Store>;
  readonly #standing = new Set<Acknowledged>();
  readonly #gone: Acknowledged[] = [];
  readonly #stop = new AbortController();
  readonly #count = { pushed: 0, pulled: 0, lost: 0, collections: 0, freed: 0 };
  #tags = 0;

  constructor(server: KillableRegistry, folder: string, seed: number) {
    this.#server = server;
    this.#folder = folder;
    this.#random = numbersFrom(seed);
    this.#images = new Images(this.#random);
    const options = { network: this.#network, retry: { attempts: 3, delay: 100 }, idleTimeout: 30_000 };
    this.#stores = new Map(
      REPOSITORIES.map((repository) => [
        repository,
        openRemote({ registry: server.host, repository }, options),
      ]),
    );
  }

  async run(kills: number): Promise<RegistrySoak> {
    const work = [
      ...Array.from({ length: CLIENTS }, () => this.#client()),
      this.#collectAlways(),
      this.#measure(),
      this.#kill(kills).finally(() => this.#stop.abort()),
    ];
    const whole = Promise.all(work.map((one) => one.catch((error: unknown) => this.#fail(error))));
    try {
      await whole;
      await this.#checkAll();
    } catch (error) {
      // The first that fails ends all: nobody waits for a server that has gone for good.
      await this.#server[Symbol.asyncDispose]();
      await Promise.allSettled(work);
      throw error;
    } finally {
      for (const store of this.#stores.values()) await store[Symbol.asyncDispose]();
      this.#network[Symbol.dispose]();
    }
    const { peak } = this.#server;
    assert.ok(peak > 0 && peak <= SERVER_LIMIT, `the server took ${Math.round(peak / 1e6)} MB`);
    return { kills, ...this.#count, deleted: this.#gone.length, standing: this.#standing.size, peak };
  }

  #fail(error: unknown): never {
    this.#stop.abort();
    throw error;
  }

  get #running(): boolean {
    return !this.#stop.signal.aborted;
  }

  async #kill(kills: number): Promise<void> {
    for (let n = 0; n < kills && this.#running; n++) {
      await sleep(1500 + this.#random() * 2500, undefined, { signal: this.#stop.signal });
      this.#server.checkAlive();
      await this.#server.kill();
      // With the folder to itself.
      if (this.#random() < 0.3) await this.#collect(this.#any(GRACE_MS));
      await this.#server.startAgain();
    }
    await sleep(2000);
  }

  async #measure(): Promise<void> {
    let before = "";
    let since = performance.now();
    for (; this.#running; await sleep(100)) {
      this.#server.checkAlive();
      await this.#server.measure();
      const now = JSON.stringify(this.#count);
      if (now !== before) since = performance.now();
      before = now;
      if (performance.now() - since > STALL_MS) throw new Violation(`nothing moves any more: ${now}`);
    }
  }

  /** By the server, all the time while it runs. */
  async #collectAlways(): Promise<void> {
    for (; this.#running; await sleep(100)) {
      try {
        if (this.#server.runs) await this.#collect(this.#any(GRACE_MS));
      } catch (error) {
        // The server was killed while it collected.
        if (!(error instanceof ImgvolError)) throw error;
      }
    }
  }

  async #collect(grace: number): Promise<void> {
    const report = await collectFolder(this.#folder, { untagged: true, grace }, quietCall());
    assert.deepEqual(report.findings, []);
    this.#count.collections++;
    this.#count.freed += report.bytes;
  }

  async #client(): Promise<void> {
    const mine: Acknowledged[] = [];
    while (this.#running) {
      const roll = this.#random();
      const oldest = mine[0];
      if (oldest !== undefined && mine.length > STANDING) {
        mine.shift();
        await this.#delete(oldest);
      } else if (roll < 0.5) {
        const pushed = await this.#push();
        if (pushed !== undefined) mine.push(pushed);
      } else {
        await this.#pull();
      }
    }
  }

  /** Tries again until the registry has acknowledged it; undefined where the soak ended before. */
  async #push(): Promise<Acknowledged | undefined> {
    const image = await this.#images.make();
    const repository = this.#any(REPOSITORIES);
    const tag = `t${this.#tags++}`;
    try {
      if (!(await this.#insist(() => this.#send(image.contents, repository, tag)))) return undefined;
      const refers = image.referrer.length > 0;
      const acknowledged = { repository, tag, image, going: false };
      const told = refers && (await this.#insist(() => this.#send(image.referrer, repository, undefined)));
      this.#count.pushed++;
      const standing = { ...acknowledged, refers: told };
      this.#standing.add(standing);
      return standing;
    } finally {
      await this.#images.forget(image);
    }
  }

  async #send(contents: Image["contents"], repository: string, tag: string | undefined): Promise<void> {
    const root = contents.at(-1);
    const { source } = this.#images;
    const store = this.#stores.get(repository);
    if (root === undefined || store === undefined) return;
    if (this.#random() < 0.4) {
      await pushRaw(this.#server.host, repository, contents, tag, source, this.#random);
    } else {
      await copy(source, root.digest, store, tag, {}, quietCall());
    }
    if (tag !== undefined && this.#random() < 0.2) await store.tag("latest", root, quietCall());
  }

  async #pull(): Promise<void> {
    const all = [...this.#standing];
    if (all.length === 0) return await sleep(20);
    const one = this.#any(all);
    if (await this.#insist(() => this.#check(one))) this.#count.pulled++;
  }

  async #delete(one: Acknowledged): Promise<void> {
    one.going = true;
    this.#standing.delete(one);
    const deletes = this.#stores.get(one.repository)?.can.delete;
    const byDigest = this.#random() < 0.3;
    await this.#insist(async () => {
      try {
        if (byDigest) await deletes?.delete(one.image.root, quietCall());
        else await deletes?.untag(one.tag, quietCall());
      } catch (error) {
        // By an earlier try, whose answer was lost with the server.
        if (!(error instanceof ImgvolError && error.code === "not-found")) throw error;
      }
      this.#gone.push(one);
    });
  }

  /** Whether an image is there, whole. One that is being deleted may be missing. */
  async #check(one: Acknowledged): Promise<void> {
    const { repository, tag, image, refers } = one;
    try {
      await pullRaw(this.#server.host, repository, tag, [...image.contents]);
      if (!refers) return;
      // What refers to an image is kept with it, though no tag leads there.
      const last = image.referrer.at(-1);
      if (last !== undefined) await pullRaw(this.#server.host, repository, last.digest, image.referrer);
    } catch (error) {
      if (!(error instanceof Violation && one.going)) throw error;
    }
  }

  /** Tries until it is done. What is no loss of the connection is no reason to try again. @returns whether it was done */
  async #insist(work: () => Promise<void>): Promise<boolean> {
    for (; this.#running; await sleep(100 + this.#random() * 400)) {
      try {
        await work();
        return true;
      } catch (error) {
        if (!isLoss(error)) throw error;
        this.#count.lost++;
      }
    }
    return false;
  }

  /** When all is quiet: garbage goes once more, without grace, and then everything is looked at. */
  async #checkAll(): Promise<void> {
    await this.#collect(0);
    assert.deepEqual(this.#server.complaints, []);
    const left = [...this.#standing];
    const check = async (): Promise<void> => {
      for (let one = left.pop(); one !== undefined; one = left.pop()) await this.#check(one);
    };
    await Promise.all(Array.from({ length: 8 }, check));
    for (const { repository, tag } of this.#gone) {
      const answer = await fetch(`http://${this.#server.host}/v2/${repository}/manifests/${tag}`, {
        method: "HEAD",
      });
      if (answer.status !== 404)
        throw new Violation(`${repository}:${tag} was deleted, and is ${answer.status}`);
    }
    for (const repository of REPOSITORIES)
      await checkBlobs(join(this.#folder, repository, "_layout/blobs/sha256"));
    assert.ok(this.#count.pushed > 0 && this.#count.pulled > 0 && this.#count.freed > 0, "nothing happened");
  }

  #any<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    assert.ok(choice !== undefined);
    return choice;
  }
}
