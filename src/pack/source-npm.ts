import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Call, Network } from "../base/index.ts";
import { TRAILER } from "../tar/index.ts";
import { fetchFile } from "./source-download.ts";
import { SourceError } from "./source-errors.ts";
import { type NpmConfig, type NpmHome, npmConfig } from "./source-npm-config.ts";
import { type LockedPackage, parseNpmLock } from "./source-npm-lock.ts";
import { readPackage } from "./source-npm-package.ts";
import { FolderReceiver, TarReceiver } from "./source-npm-place.ts";

export interface NpmOptions extends Partial<NpmHome> {
  /** imgvol's cache folder. */
  readonly cache: string;
  /** The registry's URL; otherwise the one of npm's settings. */
  readonly registry?: string | undefined;
  /** Files to leave out, by their path below the folder: `node_modules/NAME/…`. */
  readonly drops?: ((path: string) => boolean) | undefined;
  /** How the lock is called in messages. */
  readonly origin?: string | undefined;
}

const AT_ONCE = 8;

/**
 * Places the packages of an npm lock file in `folder/node_modules`, each fetched by its integrity, as `npm ci
 * --ignore-scripts` would, but without npm and without links to programs. On an error `folder` is to be removed.
 *
 * @param lock the text of a package-lock.json
 * @param folder new or empty
 * @returns how many packages and files were placed
 * @throws SourceError; TarError, CodecError, BaseError
 */
export async function fetchNpmPackages(
  lock: string,
  folder: string,
  options: NpmOptions,
  call: Call,
): Promise<{ readonly packages: number; readonly files: number }> {
  const packages = await download(lock, options, call);
  let files = 0;
  for (const item of packages) {
    using receiver = new FolderReceiver(join(folder, item.path));
    const reading = readPackage(item.tarball, receiver, droppedBelow(item, options), call);
    for (let step = await reading.next(); ; step = await reading.next()) {
      if (!step.done) continue;
      files += step.value;
      break;
    }
  }
  return { packages: packages.length, files };
}

/**
 * The same as one tar archive, for a payload of thousands of files: they need not become files of this machine.
 *
 * @param files more files, from this machine: their path in the archive -> where they are
 */
export async function* npmTar(
  lock: string,
  files: Readonly<Record<string, URL>>,
  options: NpmOptions,
  call: Call,
): AsyncGenerator<Uint8Array> {
  for (const item of await download(lock, options, call)) {
    const receiver = new TarReceiver(item.path);
    for await (const _ of readPackage(item.tarball, receiver, droppedBelow(item, options), call))
      yield receiver.take();
    yield receiver.take();
  }
  const own = new TarReceiver("");
  for (const [path, url] of Object.entries(files)) {
    const bytes = await readFile(url);
    own.begin(path, bytes.length, false);
    own.data(bytes);
    own.end();
  }
  yield own.take();
  yield TRAILER;
}

function droppedBelow(item: LockedPackage, options: NpmOptions): (path: string) => boolean {
  return (path) => options.drops?.(`${item.path}/${path}`) ?? false;
}

type Downloaded = LockedPackage & { readonly tarball: string };

/** All packages of the lock, in its order, as verified tarballs in the cache. */
async function download(lock: string, options: NpmOptions, call: Call): Promise<readonly Downloaded[]> {
  const env = options.env ?? process.env;
  const packages = parseNpmLock(lock, options.origin ?? "the lock file");
  const registry = options.registry === undefined ? {} : { npm_config_registry: options.registry };
  const config = npmConfig({ env: { ...env, ...registry }, home: options.home ?? homedir() });
  using network = networkFor(config, env);
  const task = call.progress?.start("npm packages", packages.length, "entries");
  const tarballs = new Map<LockedPackage, string>();
  try {
    await eachOf(packages, call, async (item, inner) => {
      const from = { ...tarballOf(item, config), network };
      tarballs.set(item, await fetchFile(from, item.sum, options.cache, inner).catch(explain(item)));
      task?.advance(1);
    });
  } catch (error) {
    task?.failed();
    throw error;
  }
  task?.done();
  return packages.flatMap((item) => {
    const tarball = tarballs.get(item);
    return tarball === undefined ? [] : [{ ...item, tarball }];
  });
}

/** npm's `cafile` counts as `SSL_CERT_FILE` does, which wins. */
function networkFor({ cafile }: NpmConfig, env: NpmHome["env"]): Network | undefined {
  return cafile === undefined || env["SSL_CERT_FILE"]
    ? undefined
    : new Network({ env: { ...env, SSL_CERT_FILE: cafile } });
}

/** Where registries have kept tarballs from the beginning; what a `resolved` in a lock file says, but for its host. */
function tarballOf(item: LockedPackage, config: NpmConfig): ReturnType<NpmConfig["registryFor"]> {
  const { url, headers } = config.registryFor(item.name);
  const base = item.name.slice(item.name.indexOf("/") + 1);
  return { url: new URL(`${item.name}/-/${base}-${encodeURIComponent(item.version)}.tgz`, url), headers };
}

/** Works on several items at once. The first failure cancels the others, and is thrown when they have ended. */
async function eachOf<T>(
  items: readonly T[],
  call: Call,
  work: (item: T, call: Call) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const inner: Call = { signal: AbortSignal.any([call.signal, stop.signal]) };
  const queue = items.values();
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    try {
      for (const item of queue) {
        inner.signal.throwIfAborted();
        await work(item, inner);
      }
    } catch (error) {
      failure ??= { error };
      stop.abort();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failure !== undefined) throw failure.error;
}

function explain(item: LockedPackage): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SourceError)) throw error;
    const hint = error.hint ?? "see npm config get registry";
    throw new SourceError(error.code, `npm package ${item.name} ${item.version}: ${error.message}`, {
      hint,
      cause: error,
    });
  };
}
