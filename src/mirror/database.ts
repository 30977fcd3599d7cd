import { rm } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { RegistryError } from "../registry/index.ts";
import { TagLists } from "./tag-lists.ts";

/**
 * Opens what remembers what a mirror keeps; one that is damaged is begun anew.
 *
 * @param path undefined for memory
 * @throws RegistryError `folder-unusable`
 */
export async function openMirrorDatabase(path: string | undefined): Promise<DatabaseSync> {
  try {
    return await openDatabase(path);
  } catch (cause) {
    if (path === undefined) throw cause;
    for (const file of [path, `${path}-wal`, `${path}-shm`]) await rm(file, { force: true });
    return await openDatabase(path).catch((error: unknown) => {
      throw new RegistryError("folder-unusable", `cannot write ${path}`, { cause: error });
    });
  }
}

async function openDatabase(path: string | undefined): Promise<DatabaseSync> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path ?? ":memory:");
  try {
    // A crash of the machine costs the last uses, not the file.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    database.exec(
      "CREATE TABLE IF NOT EXISTS content (repository TEXT, digest TEXT, size INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (repository, digest)) WITHOUT ROWID",
    );
    database.exec("CREATE INDEX IF NOT EXISTS by_use ON content (used)");
    database.exec(TagLists.schema);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
