import { mkdir } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { type Call, ImgvolError, messageOf, removeTree, silent } from "../base/index.ts";
import type { Store } from "../oci/index.ts";
import { VolumeError } from "./errors.ts";
import { UNPACK_LIMITS, type UnpackLimits } from "./limits.ts";
import { RingWriter, ringMemory } from "./ring.ts";
import type { Disk, Unpacked, UnpackJob, UnpackMessage } from "./unpack-job.ts";
import type { VolumeImage } from "./volume-image.ts";
import { passOverWrongLayer } from "./wrong-layer.ts";

interface Target {
  /** Empty, 0700. */
  readonly root: string;
  /** Not there yet. */
  readonly contents: string;
  readonly disk: Disk;
}

/**
 * Unpacks an image's layers, in order, into `root`: an empty folder that only the caller can write to. A record of what was
 * written goes to the file `contents`. The store verifies the layers' digests while they flow; their diff_ids are checked here.
 * A layer that a mirror gave wrong is got from the next host. After an error, what was written so far is the caller's to remove.
 *
 * @throws VolumeError, TarError, CodecError, StoreError, BaseError `disk-full`
 */
export async function unpack(
  store: Store,
  image: VolumeImage,
  to: Target,
  limits: Partial<UnpackLimits>,
  call: Call,
): Promise<Unpacked> {
  for (;;) {
    try {
      return await unpackOnce(store, image, to, limits, call);
    } catch (error) {
      if (call.signal.aborted || !(await passOverWrongLayer(store, image, error, call))) throw error;
      await removeTree(to.root);
      await removeTree(to.contents);
      await mkdir(to.root, { mode: 0o700 });
    }
  }
}

async function unpackOnce(
  store: Store,
  image: VolumeImage,
  to: Target,
  limits: Partial<UnpackLimits>,
  call: Call,
): Promise<Unpacked> {
  const memory = ringMemory();
  const job: UnpackJob = {
    ring: memory,
    ...to,
    layers: image.layers.map(({ descriptor, diffId }) => ({ digest: descriptor.digest, diffId })),
    limits: { ...UNPACK_LIMITS, ...limits },
    owners: process.geteuid?.() === 0,
    umask: process.umask(),
  };
  const ring = new RingWriter(memory);
  const worker = new Worker(new URL("./unpack-worker.ts", import.meta.url), {
    workerData: job,
    // Ours may say how to read the main program (--input-type), and mean nothing here.
    execArgv: [],
    // It makes little garbage: a small nursery costs nothing, and keeps the peak low.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  const failed = new AbortController();
  try {
    const result = outcome(worker, ring);
    // A worker that has failed must not wait for a registry that is silent.
    result.catch((error: unknown) => failed.abort(error));
    const signal = AbortSignal.any([call.signal, failed.signal]);
    return await feed(store, image, ring, { ...call, signal }, () => abortable(result, call.signal));
  } catch (error) {
    throw inContext(failed.signal.aborted ? failed.signal.reason : error, `${store.origin}: `);
  } finally {
    await worker.terminate();
  }
}

/** Gives the worker all layers. What it was is told as done only where the worker's last word says so. */
async function feed(
  store: Store,
  image: VolumeImage,
  ring: RingWriter,
  call: Call,
  lastWord: () => Promise<Unpacked>,
): Promise<Unpacked> {
  const total = image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const task = (call.progress ?? silent).start(`unpack ${image.manifest.slice(0, 19)}`, total);
  try {
    for (const { descriptor } of image.layers) {
      for await (const chunk of store.read(descriptor, call)) {
        call.signal.throwIfAborted();
        await ring.write(chunk);
        task.advance(chunk.length);
      }
      await ring.end();
    }
    const unpacked = await lastWord();
    task.done();
    return unpacked;
  } catch (error) {
    task.failed();
    throw error;
  }
}

/** The worker's last word. The ring is told where that comes too early, so that no one waits for a slot forever. */
function outcome(worker: Worker, ring: RingWriter): Promise<Unpacked> {
  const result = new Promise<Unpacked>((resolve, reject) => {
    worker.on("message", (message: UnpackMessage) => {
      if (message.type === "freed") ring.freed();
      else if (message.type === "done") resolve(message.unpacked);
      else reject(rebuilt(message));
    });
    worker.on("error", (cause) => {
      reject(new VolumeError("unpack-failed", `the unpacking worker failed: ${messageOf(cause)}`, { cause }));
    });
    worker.on("exit", () => reject(new VolumeError("unpack-failed", "the unpacking worker ended early")));
  });
  result.catch((error: unknown) => ring.fail(error));
  return result;
}

/** An error that crossed the threads: its class stays behind, its code and hint come along. */
function rebuilt(failure: Extract<UnpackMessage, { type: "failed" }>): Error {
  const { code, message, hint } = failure;
  if (code === undefined) return new VolumeError("unpack-failed", message);
  const error = new ImgvolError(code, message, hint === undefined ? {} : { hint });
  error.name = failure.name;
  return error;
}

function inContext(error: unknown, where: string): unknown {
  if (error instanceof ImgvolError && !error.message.startsWith(where)) error.message = where + error.message;
  return error;
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
