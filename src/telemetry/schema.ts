import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { errno, messageOf } from "../base/index.ts";
import { TelemetryError } from "./errors.ts";

/** "imgv": marks a SQLite file as ours. */
const APPLICATION = 0x696d6776;
/** Grows with each change of the tables below. */
const VERSION = 1;

// Ids are blobs, times are nanoseconds since 1970, and what is only shown, never searched, is JSON.
const TABLES = `
CREATE TABLE resources (
  id INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE,
  service TEXT NOT NULL, volume_reference TEXT, volume_digest TEXT, attributes TEXT NOT NULL,
  spans INTEGER NOT NULL DEFAULT 0, points INTEGER NOT NULL DEFAULT 0, logs INTEGER NOT NULL DEFAULT 0,
  last_seen INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX resources_by_service ON resources (service);
CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (name, version));
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_id BLOB,
  resource INTEGER NOT NULL, scope INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL, status INTEGER NOT NULL, status_message TEXT NOT NULL,
  attributes TEXT NOT NULL, events TEXT, links TEXT,
  UNIQUE (trace_id, span_id)
);
CREATE TABLE traces (
  trace_id BLOB PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, spans INTEGER NOT NULL,
  errors INTEGER NOT NULL, root_name TEXT, root_resource INTEGER, last_span INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX traces_by_start ON traces (start);
CREATE TABLE trace_resources (
  trace_id BLOB NOT NULL, resource INTEGER NOT NULL, last_span INTEGER NOT NULL, PRIMARY KEY (trace_id, resource)
) WITHOUT ROWID;
CREATE TABLE logs (
  id INTEGER PRIMARY KEY, resource INTEGER NOT NULL, scope INTEGER NOT NULL, time INTEGER NOT NULL,
  severity INTEGER NOT NULL, severity_text TEXT NOT NULL, body TEXT NOT NULL, trace_id BLOB, span_id BLOB,
  attributes TEXT NOT NULL
);
CREATE INDEX logs_by_time ON logs (time);
CREATE INDEX logs_by_trace ON logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE TABLE metrics (
  id INTEGER PRIMARY KEY, resource INTEGER NOT NULL, scope INTEGER NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL,
  description TEXT NOT NULL, type TEXT NOT NULL, temporality INTEGER NOT NULL, monotonic INTEGER NOT NULL,
  UNIQUE (resource, scope, name, type, unit)
);
CREATE TABLE points (
  id INTEGER PRIMARY KEY, metric INTEGER NOT NULL, start INTEGER NOT NULL, time INTEGER NOT NULL,
  value REAL, attributes TEXT NOT NULL, detail TEXT
);
CREATE INDEX points_by_metric ON points (metric, time);
`;

/**
 * Opens the database, made where it is missing. Without a path: a private file that has no name any more when this
 * returns, so that nothing is left of it however the process ends.
 *
 * @throws TelemetryError `database-invalid`, `database-locked`
 */
export function openDatabase(path: string | undefined): DatabaseSync {
  return path === undefined ? openNameless() : openKept(path);
}

function openNameless(): DatabaseSync {
  const folder = mkdtempSync(join(tmpdir(), "imgvol-telemetry-"));
  chmodSync(folder, 0o700);
  try {
    const db = new DatabaseSync(join(folder, "telemetry.db"));
    // Nothing has to survive us; the journal in memory serves the roll-back of one bad request.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    prepare(db);
    return db;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openKept(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    // SQLite gives a log the mode that its database has when the log is made.
    closeSync(openSync(path, "a", 0o600));
    db = new DatabaseSync(path);
    // One process a file: the counters in memory would lie otherwise.
    db.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE");
    prepare(db, path);
    // Only now that it is known to be ours: the mode is written into the file. WAL with NORMAL survives our own death.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    for (const file of [path, `${path}-wal`]) if (existsSync(file)) chmodSync(file, 0o600);
    return db;
  } catch (error) {
    db?.close();
    throw databaseError(error, path);
  }
}

function prepare(db: DatabaseSync, path = "the temporary database"): void {
  db.exec("PRAGMA cache_size = -32768; PRAGMA temp_store = FILE");
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  if (application === APPLICATION && version === VERSION) return;
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_master").get();
  if (application !== 0 || tables?.["n"] !== 0) {
    throw new TelemetryError(
      "database-invalid",
      application === APPLICATION
        ? `${path} was written by another version of imgvol (format ${version}, this one knows ${VERSION})`
        : `${path} is no telemetry database of imgvol`,
      { hint: "name another file", wrongUse: true },
    );
  }
  db.exec(`BEGIN; ${TABLES}
    PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${VERSION}; COMMIT`);
}

function databaseError(error: unknown, path: string): unknown {
  if (error instanceof TelemetryError) return error;
  const sqlite = error instanceof Error && "errcode" in error && typeof error.errcode === "number";
  if (!sqlite && errno(error) === undefined) return error;
  // SQLITE_BUSY is 5 (https://www.sqlite.org/rescode.html).
  if (sqlite && ((error.errcode as number) & 0xff) === 5) {
    return new TelemetryError("database-locked", `${path} is in use by another process`, {
      hint: "end the other dashboard, or name another file",
      cause: error,
    });
  }
  return new TelemetryError("database-invalid", `cannot open the database ${path}: ${messageOf(error)}`, {
    hint: "name a file that is a telemetry database of imgvol, or one that is not there yet",
    cause: error,
  });
}

/** The number that a pragma gives. */
export function pragma(db: DatabaseSync, name: string): number {
  const value = Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  return typeof value === "number" ? value : 0;
}
