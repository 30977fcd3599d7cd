import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A list that is longer, in bytes, is not kept. */
const LONGEST = 1024 * 1024;
/** Of all lists, in bytes. */
const MOST = 64 * 1024 * 1024;

/**
 * The last whole list of tags that an upstream gave for each repository, for when it cannot be asked: what is here of a
 * repository is only what somebody wanted. Bounded: the list that has not changed for the longest time goes first.
 */
export class TagLists {
  /** What the database has to have. */
  static readonly schema: string =
    "CREATE TABLE IF NOT EXISTS tag_lists (n INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT UNIQUE NOT NULL, size INTEGER NOT NULL, tags TEXT NOT NULL)";

  readonly #look: StatementSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #oldest: StatementSync;
  readonly #limit: number;
  #size: number;

  constructor(database: DatabaseSync, limit: number = MOST) {
    this.#look = database.prepare("SELECT size, tags FROM tag_lists WHERE repository = ?");
    this.#insert = database.prepare("INSERT INTO tag_lists (repository, size, tags) VALUES (?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM tag_lists WHERE repository = ?");
    this.#oldest = database.prepare("SELECT repository FROM tag_lists ORDER BY n LIMIT 1");
    this.#limit = limit;
    const sum = database.prepare("SELECT coalesce(sum(size), 0) AS size FROM tag_lists").get();
    this.#size = Number(sum?.["size"] ?? 0);
  }

  /** What the upstream said the last time; undefined where nobody knows. */
  get(repository: string): readonly string[] | undefined {
    const text = this.#look.get(repository)?.["tags"];
    if (typeof text !== "string") return undefined;
    return text === "" ? [] : text.split("\n");
  }

  set(repository: string, tags: readonly string[]): void {
    // No tag has a line break in it.
    const text = tags.join("\n");
    if (this.#look.get(repository)?.["tags"] === text) return;
    this.forget(repository);
    const size = Buffer.byteLength(repository) + Buffer.byteLength(text);
    if (size > LONGEST) return;
    while (this.#size + size > this.#limit) {
      const oldest = this.#oldest.get()?.["repository"];
      if (typeof oldest !== "string") return;
      this.forget(oldest);
    }
    this.#insert.run(repository, size, text);
    this.#size += size;
  }

  forget(repository: string): void {
    const size = Number(this.#look.get(repository)?.["size"] ?? 0);
    this.#remove.run(repository);
    this.#size -= size;
  }
}
