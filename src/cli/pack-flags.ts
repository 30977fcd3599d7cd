import { ImgvolError } from "../base/index.ts";
import { parsePlatform } from "../oci/index.ts";
import type { PackOptions } from "../pack/index.ts";

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
}

/** Flags and `SOURCE_DATE_EPOCH`, as `pack` takes them. @throws ImgvolError `flag-invalid` */
export function packOptions(flags: PackFlags, env: NodeJS.ProcessEnv = process.env): PackOptions {
  return {
    format: {
      compression: flags.compress,
      level: flags.level === undefined ? undefined : whole(flags.level, "--level", "a whole number"),
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
    sourceDateEpoch: epoch(env["SOURCE_DATE_EPOCH"]),
  };
}

/** `2GiB`, `500MB`, `1048576`: bytes. */
export function parseSize(text: string, flag: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?) ?([KMGT]i?)?B?$/i.exec(text) ?? [];
  const power = unit === "" ? 0 : "KMGT".indexOf(unit.charAt(0).toUpperCase()) + 1;
  const bytes = Math.floor(Number(number) * (unit.length === 2 ? 1024 : 1000) ** power);
  if (number === undefined || bytes < 1) throw invalid(flag, text, "a size, for example 2GiB or 500MB");
  return bytes;
}

function owner(text: string): { uid: number; gid: number } {
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  if (uid === undefined || gid === undefined) throw invalid("--owner", text, "numbers, UID:GID");
  return { uid: Number(uid), gid: Number(gid) };
}

function annotation(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw invalid("--annotation", text, "KEY=VALUE");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** https://reproducible-builds.org/specs/source-date-epoch/: an ASCII decimal of seconds, nothing else. */
function epoch(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  return whole(text, "SOURCE_DATE_EPOCH", "whole seconds since 1970");
}

function whole(text: string, flag: string, wanted: string): number {
  if (!/^\d{1,15}$/.test(text)) throw invalid(flag, text, wanted);
  return Number(text);
}

function invalid(flag: string, text: string, wanted: string): ImgvolError {
  return new ImgvolError("flag-invalid", `${flag}: not ${wanted}: ${JSON.stringify(text)}`, {
    wrongUse: true,
  });
}
