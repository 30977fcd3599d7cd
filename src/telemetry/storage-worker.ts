// The worker that owns the telemetry database: it decodes, stores in batches, and answers queries between them.
import { parentPort, workerData } from "node:worker_threads";
import { ImgvolError, messageOf } from "../base/index.ts";
import { type Arrival, Database, type Queries } from "./database.ts";
import type { Outcome } from "./signals.ts";

/** What the main thread sends. */
export type Order = { readonly id: number } & (
  | { readonly kind: "write"; readonly arrival: Arrival }
  | { readonly kind: "query"; readonly name: keyof Queries; readonly argument: unknown }
  | { readonly kind: "close" }
);

/** What it gets back: the first report, of id 0, says that the database is open. */
export type Report = { readonly id: number } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Failure }
);

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly wrongUse: boolean;
}

/** How the worker is started. */
export interface StorageSettings {
  readonly path: string | undefined;
  readonly maxBytes: number | undefined;
}

/** A batch that is longer would keep queries waiting. */
const BATCH_BYTES = 4 * 1024 * 1024;

const port = parentPort;
if (port !== null) serve((report) => port.postMessage(report));

function serve(report: (report: Report) => void): void {
  const waiting: { id: number; arrival: Arrival }[] = [];
  let scheduled = false;
  const database = open(report);
  if (database === undefined) return;

  port?.on("message", (order: Order) => {
    if (order.kind === "write") {
      waiting.push(order);
      schedule();
      return;
    }
    if (order.kind === "query") {
      attempt(order.id, report, () => ask(database, order.name, order.argument));
      return;
    }
    while (waiting.length > 0) flush();
    attempt(order.id, report, () => database.close());
    port?.close();
  });

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    // What arrived in the same turn of the loop shares a transaction.
    setImmediate(() => {
      scheduled = false;
      flush();
      if (waiting.length > 0) schedule();
    });
  }

  function flush(): void {
    let bytes = 0;
    let count = 0;
    while (count < waiting.length && bytes < BATCH_BYTES)
      bytes += waiting[count++]?.arrival.bytes.length ?? 0;
    const batch = waiting.splice(0, count);
    if (batch.length > 0 && database !== undefined) store(database, batch, report);
  }
}

function open(report: (report: Report) => void): Database | undefined {
  const { path, maxBytes } = workerData as StorageSettings;
  let database: Database | undefined;
  attempt(0, report, () => {
    database = new Database(path, maxBytes);
  });
  return database;
}

function store(
  database: Database,
  batch: readonly { id: number; arrival: Arrival }[],
  report: (report: Report) => void,
): void {
  let outcomes: readonly (Outcome | Error)[];
  try {
    outcomes = database.write(
      batch.map(({ arrival }) => arrival),
      Date.now(),
    );
  } catch (error) {
    outcomes = batch.map(() => (error instanceof Error ? error : new Error(String(error))));
  }
  for (const [index, { id }] of batch.entries()) {
    const outcome = outcomes[index];
    if (outcome instanceof Error) report({ id, ok: false, error: failure(outcome) });
    else report({ id, ok: true, value: outcome });
  }
}

function ask(database: Database, name: keyof Queries, argument: unknown): unknown {
  const query = database.queries[name] as (argument: unknown) => unknown;
  return query(argument);
}

function attempt(id: number, report: (report: Report) => void, work: () => unknown): void {
  try {
    report({ id, ok: true, value: work() });
  } catch (error) {
    report({ id, ok: false, error: failure(error) });
  }
}

function failure(error: unknown): Failure {
  return error instanceof ImgvolError
    ? { code: error.code, message: error.message, hint: error.hint, wrongUse: error.wrongUse }
    : { code: "storage-failed", message: messageOf(error), hint: undefined, wrongUse: false };
}
