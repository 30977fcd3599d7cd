import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Attributes } from "./attributes.ts";
import { TelemetryError } from "./errors.ts";
import { storedNanos } from "./nanos.ts";
import type { TimeWindow, VolumeSource } from "./records.ts";

/** A row of a query, read column by column. Integers are bigints, since nanoseconds pass 2^53. */
export class Row {
  readonly #columns: Readonly<Record<string, SQLOutputValue>>;

  constructor(columns: Readonly<Record<string, SQLOutputValue>>) {
    this.#columns = columns;
  }

  text(name: string): string {
    const value = this.#columns[name];
    return typeof value === "string" ? value : "";
  }

  optionalText(name: string): string | undefined {
    const value = this.#columns[name];
    return typeof value === "string" ? value : undefined;
  }

  number(name: string): number {
    return this.optionalNumber(name) ?? 0;
  }

  optionalNumber(name: string): number | undefined {
    const value = this.#columns[name];
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
  }

  nanos(name: string): bigint {
    const value = this.#columns[name];
    return typeof value === "bigint" ? value : 0n;
  }

  hex(name: string): string {
    return this.optionalHex(name) ?? "";
  }

  optionalHex(name: string): string | undefined {
    const value = this.#columns[name];
    return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : undefined;
  }

  /** A column of JSON that we wrote ourselves. */
  json<T>(name: string, otherwise: T): T {
    const value = this.#columns[name];
    return typeof value === "string" ? (JSON.parse(value) as T) : otherwise;
  }

  attributes(name = "attributes"): Attributes {
    return this.json<Attributes>(name, {});
  }

  /** From the columns `volume_reference` and `volume_digest`. */
  volume(): VolumeSource | undefined {
    const reference = this.optionalText("volume_reference");
    return reference === undefined ? undefined : { reference, digest: this.optionalText("volume_digest") };
  }
}

export function select(db: DatabaseSync, sql: string, ...values: SQLInputValue[]): Row[] {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all(...values).map((columns) => new Row(columns));
}

/** SQL conditions gathered with their values: `where()` is a clause, or empty. */
export class Conditions {
  readonly #clauses: string[] = [];
  readonly values: SQLInputValue[] = [];

  /** Adds a clause unless one of its values is undefined. */
  add(clause: string, ...values: readonly (SQLInputValue | undefined)[]): this {
    const known = values.filter((value) => value !== undefined);
    if (known.length < values.length) return this;
    this.#clauses.push(clause);
    this.values.push(...known.map((value) => (typeof value === "bigint" ? storedNanos(value) : value)));
    return this;
  }

  where(): string {
    return this.#clauses.length === 0 ? "" : `WHERE ${this.#clauses.join(" AND ")}`;
  }
}

/** How many records a list gives where nothing is said, and at most. */
export const LIST: { readonly usual: number; readonly most: number } = { usual: 100, most: 10_000 };

export function limitOf({ limit }: TimeWindow, usual: number = LIST.usual): number {
  return Math.min(Math.max(Math.trunc(limit ?? usual), 0), LIST.most);
}

/** @throws TelemetryError `query-invalid` */
export function traceIdBytes(id: string): Buffer {
  if (/^[0-9a-f]{32}$/i.test(id)) return Buffer.from(id, "hex");
  throw new TelemetryError("query-invalid", `not a trace id: ${id}`, {
    hint: "a trace id is 32 hexadecimal digits",
    wrongUse: true,
  });
}
