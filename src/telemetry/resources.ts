import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Attributes, type AttributeValue, attributesOf } from "./attributes.ts";
import type { InstrumentationScope } from "./gen/opentelemetry/proto/common/v1/common_pb.ts";
import type { Resource } from "./gen/opentelemetry/proto/resource/v1/resource_pb.ts";

/** The resource attributes by which an injected workload names the image volume that its agent came from. */
export const VOLUME_REFERENCE = "imgvol.volume.reference";
export const VOLUME_DIGEST = "imgvol.volume.digest";

/** How many ids are remembered; beyond, they are looked up in the database again. */
const REMEMBERED = 10_000;

export type Counted = "spans" | "points" | "logs";

/** Gives resources and scopes their rows, and counts what each resource sent. */
export class Resources {
  readonly #known = new Map<string, number>();
  readonly #scopes = new Map<string, number>();
  readonly #insert: StatementSync;
  readonly #find: StatementSync;
  readonly #insertScope: StatementSync;
  readonly #findScope: StatementSync;
  readonly #count: Readonly<Record<Counted, StatementSync>>;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      "INSERT OR IGNORE INTO resources (identity, service, volume_reference, volume_digest, attributes) VALUES (?, ?, ?, ?, ?)",
    );
    this.#find = db.prepare("SELECT id FROM resources WHERE identity = ?");
    this.#insertScope = db.prepare("INSERT OR IGNORE INTO scopes (name, version) VALUES (?, ?)");
    this.#findScope = db.prepare("SELECT id FROM scopes WHERE name = ? AND version = ?");
    const count = (column: Counted) =>
      db.prepare(
        `UPDATE resources SET ${column} = ${column} + ?, last_seen = max(last_seen, ?) WHERE id = ?`,
      );
    this.#count = { spans: count("spans"), points: count("points"), logs: count("logs") };
  }

  /** The row of a resource: attributes in another order are the same resource. */
  resource(resource: Resource | undefined): number {
    const attributes = attributesOf(resource?.attributes ?? []);
    const sorted = Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
    const json = JSON.stringify(sorted);
    return remember(this.#known, json, () => {
      const identity = createHash("sha256").update(json).digest();
      const reference = textOf(attributes[VOLUME_REFERENCE]);
      const digest = textOf(attributes[VOLUME_DIGEST]);
      this.#insert.run(identity, serviceOf(attributes), reference, digest, json);
      return idOf(this.#find.get(identity));
    });
  }

  scope(scope: InstrumentationScope | undefined): number {
    const name = scope?.name ?? "";
    const version = scope?.version ?? "";
    return remember(this.#scopes, `${name}\0${version}`, () => {
      this.#insertScope.run(name, version);
      return idOf(this.#findScope.get(name, version));
    });
  }

  /** @param seen in ms since 1970. */
  count(what: Counted, resource: number, by: number, seen: number): void {
    this.#count[what].run(by, seen, resource);
  }

  /** To be called when a transaction was rolled back: rows that were just remembered may be gone. */
  forget(): void {
    this.#known.clear();
    this.#scopes.clear();
  }
}

/** `service.name`, without which the specification has a service called `unknown_service`. */
function serviceOf(attributes: Attributes): string {
  return textOf(attributes["service.name"]) ?? "unknown_service";
}

function textOf(value: AttributeValue | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function remember(cache: Map<string, number>, key: string, find: () => number): number {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const id = find();
  if (cache.size >= REMEMBERED) cache.clear();
  cache.set(key, id);
  return id;
}

function idOf(row: Record<string, unknown> | undefined): number {
  return typeof row?.["id"] === "number" ? row["id"] : 0;
}
