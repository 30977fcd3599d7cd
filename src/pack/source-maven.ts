import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Call, errno, type Finding, isLoopback, makeFolder, replaceFile } from "../base/index.ts";
import { type Checksum, fetchFile, fetchText, hashFile, shown } from "./source-download.ts";
import { SourceError } from "./source-errors.ts";
import { type MavenHome, mavenSettings, type Repository, repositoryAt } from "./source-maven-settings.ts";

/** A file of a Maven repository. */
export interface Coordinates {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
  /** Its sha256, where it is known beforehand. */
  readonly sha256?: string | undefined;
}

export interface MavenOptions extends Partial<MavenHome> {
  /** imgvol's cache folder. */
  readonly cache: string;
  /** The repository's URL; otherwise the one that Maven's settings lead to. */
  readonly repository?: string | undefined;
}

export interface MavenFile {
  readonly path: string;
  readonly sha256: string;
  readonly told: readonly Finding[];
}

/**
 * A jar, by a known sha256, by the one that was written down when its version was first used, or, at first use, by
 * the repository's own checksum, which is told. No Maven is needed; what Maven has downloaded already is used.
 *
 * @throws SourceError; BaseError
 */
export async function fetchJar(jar: Coordinates, options: MavenOptions, call: Call): Promise<MavenFile> {
  const where = { env: options.env ?? process.env, home: options.home ?? homedir() };
  const record = join(options.cache, "trusted", "maven", jar.group, `${jar.artifact}-${jar.version}.sha256`);
  const known = jar.sha256 ?? (await recorded(record));
  const settings = options.repository === undefined ? mavenSettings(where) : undefined;
  const path = `${jar.group.replaceAll(".", "/")}/${jar.artifact}/${jar.version}/${jar.artifact}-${jar.version}.jar`;
  if (known !== undefined && settings !== undefined) {
    const local = join(settings.local, path);
    if ((await hashFile(local, "sha256", call)) === known) return { path: local, sha256: known, told: [] };
  }
  const repository = settings?.central ?? repositoryAt(options.repository ?? "", "--repository");
  const origin = { ...repository, url: new URL(path, repository.url) };
  if (known !== undefined) {
    const fetched = await fetchFile(origin, { algorithm: "sha256", hex: known }, options.cache, call).catch(
      explain(jar, repository, jar.sha256 === undefined ? record : undefined),
    );
    return { path: fetched, sha256: known, told: [] };
  }
  refuseUnsafe(origin.url);
  const sum = await sidecar(origin, call).catch(explain(jar, repository));
  const fetched = await fetchFile(origin, sum, options.cache, call).catch(explain(jar, repository));
  const sha256 = sum.algorithm === "sha256" ? sum.hex : await hashFile(fetched, "sha256", call);
  if (sha256 === undefined)
    throw new SourceError("payload-mismatch", `${fetched} went away while it was read`);
  await makeFolder(dirname(record), 0o700);
  await replaceFile(record, Buffer.from(`${sha256}  ${shown(origin.url)}\n`));
  return { path: fetched, sha256, told: [trusted(jar, sha256, sum, origin.url, record)] };
}

async function recorded(path: string): Promise<string | undefined> {
  try {
    return /^([0-9a-f]{64})\b/.exec(await readFile(path, "utf8"))?.[1];
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A checksum that came over the same open line as the file proves nothing. */
function refuseUnsafe(url: URL): void {
  if (url.protocol === "https:" || isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) return;
  throw new SourceError(
    "payload-unverified",
    `${shown(url)} comes over plain HTTP, and its checksum would too`,
    {
      hint: "take a version that imgvol knows (imgvol presets), or a repository that speaks HTTPS",
    },
  );
}

const SIDECARS = [
  ["sha256", 64],
  ["sha1", 40],
] as const;

/** The checksum that the repository itself gives: as good as the repository and the way to it. */
async function sidecar(
  jar: { url: URL; headers?: Readonly<Record<string, string>> },
  call: Call,
): Promise<Checksum> {
  for (const [algorithm, length] of SIDECARS) {
    const text = await fetchText({ ...jar, url: new URL(`${jar.url.href}.${algorithm}`) }, 4096, call);
    // Some tools write `HEX  FILE`, some `HEX` alone.
    const hex = new RegExp(`^\\s*([0-9a-f]{${length}})(?:\\s|$)`, "i").exec(text ?? "")?.[1];
    if (hex !== undefined) return { algorithm, hex: hex.toLowerCase() };
  }
  throw new SourceError("payload-unverified", `no checksum of ${shown(jar.url)} is to be had`, {
    hint: "is this version published? otherwise take one that imgvol knows: imgvol presets",
  });
}

function explain(jar: Coordinates, repository: Repository, record?: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SourceError)) throw error;
    const hint =
      error.code === "payload-mismatch" && record !== undefined
        ? `version ${jar.version} was another file when it was first used; if the change is right, remove ${record}`
        : (error.hint ??
          `looked for ${jar.artifact} ${jar.version} in ${repository.from}; name another with --repository`);
    throw new SourceError(error.code, error.message, { hint, cause: error });
  };
}

function trusted(jar: Coordinates, sha256: string, sum: Checksum, url: URL, record: string): Finding {
  return {
    code: "payload-trusted",
    severity: "note",
    subject: `${jar.artifact} ${jar.version}`,
    message: `imgvol does not know ${jar.artifact} ${jar.version}: trusted ${shown(url)} by its own ${sum.algorithm}, and wrote its sha256 ${sha256} down`,
    fix: [`it is in ${record}; every later use must be the same file`],
  };
}
