import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { ImgvolError, messageOf } from "../base/index.ts";
import { formatPlatform, isObject, parsePlatform } from "../oci/index.ts";
import { type PackOptions, PLATFORMS } from "../pack/index.ts";
import { flagInvalid, parseSize, parseWhole, repeated } from "./flag-values.ts";

/** The flags of `pack`, as commander gives them. */
export interface PackFlags {
  readonly platform: string;
  readonly compress: "auto" | "gzip" | "zstd" | "none";
  readonly level?: string;
  readonly ignoreFile?: string;
  readonly keepModes?: boolean;
  readonly owner?: string;
  readonly followSymlinks?: boolean;
  readonly annotation?: string[];
  readonly split?: string;
  readonly strict?: boolean;
  readonly dryRun?: boolean;
  readonly imageConfig?: string;
}

/** Declares them. */
export function addPackFlags(command: Command): Command {
  return command
    .requiredOption("-t, --tag <dest>", "where the image goes; repeat for more", repeated)
    .option("--platform <list>", "os/arch,… in one index, or none", PLATFORMS.map(formatPlatform).join(","))
    .addOption(
      new Option("--compress <how>", "the layer's form")
        .choices(["auto", "gzip", "zstd", "none"])
        .default("auto"),
    )
    .option("--level <n>", "of compression (default: 6; zstd 3)")
    .option("--ignore-file <file>", "what to leave out (default: the source's own .imgvolignore)")
    .option("--keep-modes", "keep all mode bits (default: 0644, 0755)")
    .option("--owner <uid:gid>", "of every file (default: 0:0)")
    .option("--follow-symlinks", "pack what symbolic links lead to")
    .option("--annotation <k=v>", "on the manifests and the index; repeat for more", repeated)
    .option("--image-config <file>", "JSON of what the image runs (Entrypoint, Env, User): an app's image")
    .option("--split <size>", "several layers of at most this, for example 2GiB")
    .option("--repository <url>", "where a preset's payload comes from")
    .option("--strict", "publish nothing if there is a warning")
    .option("--dry-run", "do all the work, store nothing")
    .option("--json", "the answer as JSON");
}

/** Flags and `SOURCE_DATE_EPOCH`, as `pack` takes them. @throws ImgvolError `flag-invalid` */
export async function packOptions(
  flags: PackFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<PackOptions> {
  return {
    format: {
      compression: flags.compress,
      level: flags.level === undefined ? undefined : parseWhole(flags.level, "--level"),
    },
    platforms: flags.platform === "none" ? "none" : flags.platform.split(",").map(parsePlatform),
    ignoreFile: flags.ignoreFile,
    keepModes: flags.keepModes,
    owner: flags.owner === undefined ? undefined : owner(flags.owner),
    followSymlinks: flags.followSymlinks,
    annotations: Object.fromEntries((flags.annotation ?? []).map(annotation)),
    split: flags.split === undefined ? undefined : parseSize(flags.split, "--split"),
    strict: flags.strict,
    dryRun: flags.dryRun,
    config: flags.imageConfig === undefined ? undefined : await imageConfig(flags.imageConfig),
    sourceDateEpoch: epoch(env["SOURCE_DATE_EPOCH"]),
  };
}

/** A JSON object in a file, with the members of an image config's `config`: Entrypoint, Env, User and so on. */
async function imageConfig(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (isObject(value)) return value;
  } catch (cause) {
    throw new ImgvolError("flag-invalid", `--image-config: cannot read ${path}: ${messageOf(cause)}`, {
      hint: 'write a JSON object, for example {"Entrypoint": ["/app/run"], "User": "1000"}',
      wrongUse: true,
      cause,
    });
  }
  throw flagInvalid("--image-config", path, "a file with a JSON object");
}

function owner(text: string): { uid: number; gid: number } {
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  if (uid === undefined || gid === undefined) throw flagInvalid("--owner", text, "numbers, UID:GID");
  return { uid: Number(uid), gid: Number(gid) };
}

function annotation(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw flagInvalid("--annotation", text, "KEY=VALUE");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** https://reproducible-builds.org/specs/source-date-epoch/: an ASCII decimal of seconds, nothing else. */
function epoch(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  return parseWhole(text, "SOURCE_DATE_EPOCH", "whole seconds since 1970");
}
