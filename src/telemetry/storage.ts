import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { formatBytes, messageOf } from "../base/index.ts";
import type { Queries } from "./database.ts";
import { type TelemetryCode, TelemetryError } from "./errors.ts";
import type { Encoding, Outcome, SignalName } from "./signals.ts";
import type { Order, Report, StorageSettings } from "./storage-worker.ts";

export interface StorageOptions {
  /** The file that keeps the telemetry, made if missing; without it, a private temporary file that is gone at the end. */
  readonly db?: string | undefined;
  /** The oldest records go when the database grows beyond this many bytes. Default: 1 GiB for a temporary file, none for `db`. */
  readonly maxBytes?: number | undefined;
  /** How many bytes of requests may wait to be stored; then senders are told to come again. Default 64 MiB. */
  readonly queueBytes?: number | undefined;
}

type Asked = {
  readonly [Name in keyof Queries]: (
    ...args: Parameters<Queries[Name]>
  ) => Promise<ReturnType<Queries[Name]>>;
};

/** Keeps telemetry in a database that a worker owns. Every query sees all that was acknowledged before it was asked. */
export interface Storage extends Asked, AsyncDisposable {
  /**
   * Decodes and stores one export request; it is stored when this resolves.
   *
   * @throws TelemetryError `otlp-invalid` (nothing of it is kept), `queue-full` (try again), `storage-failed`
   */
  ingest(signal: SignalName, encoding: Encoding, bytes: Uint8Array): Promise<Outcome>;
  /** Calls `listener` after records were stored, until disposed. */
  onStored(listener: () => void): Disposable;
}

const GIB = 1024 ** 3;
const QUEUE = 64 * 1024 * 1024;

/** Opens the storage. @throws TelemetryError `database-invalid`, `database-locked`, `storage-failed` */
export async function openStorage(options: StorageOptions = {}): Promise<Storage> {
  const settings: StorageSettings = {
    path: options.db,
    maxBytes: options.maxBytes ?? (options.db === undefined ? GIB : undefined),
  };
  const storage = new WorkerStorage(settings, options.queueBytes ?? QUEUE);
  try {
    await storage.opened;
    return storage;
  } catch (error) {
    await storage[Symbol.asyncDispose]();
    throw error;
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

class WorkerStorage implements Storage {
  readonly opened: Promise<unknown>;
  readonly #worker: Worker;
  readonly #queueBytes: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<() => void>();
  readonly #exited: Promise<unknown>;
  #queued = 0;
  #last = 0;
  #failed: TelemetryError | undefined;

  constructor(settings: StorageSettings, queueBytes: number) {
    this.#queueBytes = queueBytes;
    this.#worker = new Worker(new URL("./storage-worker.ts", import.meta.url), {
      workerData: settings,
      name: "imgvol-telemetry",
      // SQLite warns that it is young, in the middle of our output.
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.opened = new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    this.#exited = once(this.#worker, "exit");
    this.#worker.on("message", (report: Report) => this.#settle(report));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("it has ended")));
  }

  services: Storage["services"] = () => this.#ask("services", undefined);
  traces: Storage["traces"] = (filter) => this.#ask("traces", filter);
  trace: Storage["trace"] = (traceId) => this.#ask("trace", traceId);
  logs: Storage["logs"] = (filter) => this.#ask("logs", filter);
  metrics: Storage["metrics"] = (filter) => this.#ask("metrics", filter);
  points: Storage["points"] = (filter) => this.#ask("points", filter);
  stats: Storage["stats"] = () => this.#ask("stats", undefined);

  async ingest(signal: SignalName, encoding: Encoding, bytes: Uint8Array): Promise<Outcome> {
    const size = bytes.length;
    // A single request always fits, however small the queue.
    if (this.#queued > 0 && this.#queued + size > this.#queueBytes) {
      throw new TelemetryError("queue-full", `${formatBytes(this.#queued)} wait to be stored`, {
        hint: "send it again later",
      });
    }
    this.#queued += size;
    try {
      // Moved, not copied: the bytes get a buffer of their own, since a chunk may be part of a shared one.
      const moved = new Uint8Array(bytes);
      const arrival = { signal, encoding, bytes: moved };
      const outcome = await this.#order({ id: ++this.#last, kind: "write", arrival }, [moved.buffer]);
      for (const listener of this.#listeners) listener();
      return outcome as Outcome;
    } finally {
      this.#queued -= size;
    }
  }

  onStored(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failed === undefined) {
      await this.#order({ id: ++this.#last, kind: "close" }).catch(() => {});
    } else {
      await this.#worker.terminate();
    }
    await this.#exited;
  }

  #ask<Name extends keyof Queries>(name: Name, argument: unknown): Promise<ReturnType<Queries[Name]>> {
    const answer = this.#order({ id: ++this.#last, kind: "query", name, argument });
    return answer as Promise<ReturnType<Queries[Name]>>;
  }

  #order(order: Order, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.set(order.id, { resolve, reject });
      this.#worker.postMessage(order, transfer);
    });
  }

  #settle(report: Report): void {
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (report.ok) {
      waiting?.resolve(report.value);
      return;
    }
    const { code, message, hint, wrongUse } = report.error;
    const more = { wrongUse, ...(hint === undefined ? {} : { hint }) };
    waiting?.reject(new TelemetryError(code as TelemetryCode, message, more));
  }

  #fail(cause: unknown): void {
    this.#failed ??= new TelemetryError(
      "storage-failed",
      `the telemetry storage failed: ${messageOf(cause)}`,
      {
        cause,
      },
    );
    for (const { reject } of this.#waiting.values()) reject(this.#failed);
    this.#waiting.clear();
  }
}
