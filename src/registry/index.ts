export type { Backing, ManifestRecord, ManifestRecords, Repository, Spool } from "./backing.ts";
export { type RegistryCode, RegistryError } from "./errors.ts";
export { folderBacking } from "./folder-backing.ts";
export { Gate } from "./gate.ts";
export { type RegistryHandler, type RegistryOptions, registryHandler } from "./handler.ts";
export { memoryBacking } from "./memory-backing.ts";
export { Recent } from "./recent.ts";
export { type StartOptions, startRegistry } from "./start.ts";
