import { readFile } from "node:fs/promises";
import type { Call, Finding } from "../base/index.ts";
import { AGENTS, findPreset, type MavenPayload, type NpmPayload, parseVersion } from "../preset/index.ts";
import type { Entry } from "../tar/index.ts";
import { fileTree, type MetadataOptions, type Tree, tarTree } from "../tree/index.ts";
import { SourceError } from "./source-errors.ts";
import { fetchJar } from "./source-maven.ts";
import { npmTar } from "./source-npm.ts";

export interface PresetSourceOptions extends Pick<MetadataOptions, "owner" | "sourceDateEpoch"> {
  /** imgvol's cache folder: downloads are kept there, by their checksums. */
  readonly cache: string;
  /** The Maven repository or npm registry to fetch from, instead of the one that the user's settings lead to. */
  readonly repository?: string | undefined;
  /** Default: the process's environment and the user's home folder, where settings are looked for. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly home?: string | undefined;
}

/** A preset's payload, ready to be packed. Disposing removes what was unpacked for it. */
export interface PresetSource extends AsyncDisposable {
  readonly tree: Tree;
  readonly name: string;
  readonly version: string;
  readonly told: readonly Finding[];
}

/**
 * Fetches and verifies what a preset packs. The same version gives the same tree, wherever and whenever.
 *
 * @param version the preset's own choice where undefined
 * @throws PresetError `preset-unknown`, `preset-request-invalid`; SourceError; BaseError
 */
export async function presetSource(
  name: string,
  version: string | undefined,
  options: PresetSourceOptions,
  call: Call,
): Promise<PresetSource> {
  const { payload } = findPreset(name);
  if (payload === undefined) {
    throw new SourceError("payload-unknown", `preset ${name} has no payload of its own`, {
      hint: "pack the agent's folder, or name its image with -p NAME=REFERENCE",
      wrongUse: true,
    });
  }
  const wanted = parseVersion(version ?? payload.version);
  const made =
    payload.kind === "maven"
      ? await mavenSource(payload, wanted, options, call)
      : await npmSource(payload, wanted, options, call);
  return { name, version: wanted, ...made };
}

type Made = Omit<PresetSource, "name" | "version">;

async function mavenSource(
  payload: MavenPayload,
  version: string,
  options: PresetSourceOptions,
  call: Call,
): Promise<Made> {
  const { group, artifact, file, sha256 } = payload;
  const jar = await fetchJar({ group, artifact, version, sha256: sha256[version] }, reach(options), call);
  const tree = timed(fileTree(jar.path, { owner: options.owner }), options);
  return { tree: renamed(tree, file), told: jar.told, async [Symbol.asyncDispose]() {} };
}

async function npmSource(
  payload: NpmPayload,
  version: string,
  options: PresetSourceOptions,
  call: Call,
): Promise<Made> {
  const lock = payload.locks[version];
  if (lock === undefined) {
    throw new SourceError("payload-unknown", `no lock file for version ${version} is at hand`, {
      hint: `there are ${Object.keys(payload.locks).join(", ")}`,
      wrongUse: true,
    });
  }
  const drops = payload.drops.map((pattern) => new RegExp(pattern));
  const text = await readFile(new URL(lock, AGENTS), "utf8");
  const files = Object.entries(payload.files).map(([path, from]) => [path, new URL(from, AGENTS)]);
  const how = {
    ...reach(options),
    registry: options.repository,
    origin: lock.slice(lock.lastIndexOf("/") + 1),
    drops: (path: string) => drops.some((drop) => drop.test(path)),
  };
  const spooled = await tarTree(
    npmTar(text, Object.fromEntries(files), how, call),
    { owner: options.owner },
    call,
  );
  const tree = timed(spooled.tree, options);
  return { tree, told: [], [Symbol.asyncDispose]: () => spooled[Symbol.asyncDispose]() };
}

function reach({ cache, env, home, repository }: PresetSourceOptions): {
  cache: string;
  repository: string | undefined;
  env?: Readonly<Record<string, string | undefined>>;
  home?: string;
} {
  return { cache, repository, ...(env ? { env } : {}), ...(home === undefined ? {} : { home }) };
}

/** When a file was downloaded says nothing about it: every entry has the same time. */
function timed(tree: Tree, { sourceDateEpoch = 0 }: PresetSourceOptions): Tree {
  return mapped(tree, (entry) => ({ ...entry, mtime: sourceDateEpoch }));
}

function renamed(tree: Tree, path: string): Tree {
  return mapped(tree, (entry) => ({ ...entry, path }));
}

function mapped(tree: Tree, change: (entry: Entry) => Entry): Tree {
  return async function* (call) {
    for await (const entry of tree(call)) yield change(entry);
  };
}
