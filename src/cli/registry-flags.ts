import type { Command } from "commander";
import { ImgvolError } from "../base/index.ts";
import type { MirrorOptions } from "../mirror/index.ts";
import type { Limits } from "../registry/index.ts";
import type { TlsFlags } from "./certificate.ts";
import {
  given,
  parseCount,
  parsePeriod,
  parseReserve,
  parseSize,
  parseWait,
  repeated,
} from "./flag-values.ts";
import type { Io } from "./io.ts";
import { remoteOptions } from "./opened.ts";

/** What `registry serve` is told. */
export interface ServeFlags extends TlsFlags {
  readonly dir?: string;
  readonly readOnly?: boolean;
  readonly sparse?: boolean;
  readonly gcEvery?: string;
  readonly mirror?: string[];
  readonly mirrorSize?: string;
  readonly listen: string;
  readonly allowHost?: string[];
  readonly htpasswd?: string;
  readonly anonymousPull?: boolean;
  readonly maxUploads?: string;
  readonly uploadIdle?: string;
  readonly minFreeDisk?: string;
  readonly accessLog?: string | true;
  readonly grace: string;
  readonly drain: string;
}

export function addServeFlags(command: Command): void {
  command
    .optionsGroup("Content:")
    .option("--dir <folder>", "keep images in this folder (default: in memory)")
    .option("--read-only", "refuse pushes and deletes")
    .option("--sparse", "take image manifests whose layers are not here")
    .option("--gc-every <time>", "remove what no manifest needs so often, for example 1d")
    .option("--mirror <registry>", "fetch from it what is not here, and keep it; repeat for more", repeated)
    .option("--mirror-size <size>", "keep at most so much of mirrors, the last used")
    .optionsGroup("Who may come:")
    .option("--listen <host:port>", "where to listen; port 0 for a free one", "127.0.0.1:5001")
    .option("--allow-host <name>", "a name beside loopback under which clients come; repeatable", repeated)
    .option("--htpasswd <file>", "ask for a password; a file of htpasswd -B, that may change")
    .option("--anonymous-pull", "with --htpasswd: no password for what is only read")
    .option("--tls-cert <file>", "speak HTTPS with this certificate (PEM), that may change")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--tls-client-ca <file>", "clients need a certificate that this authority signed")
    .optionsGroup("Operation:")
    .option("--max-uploads <count>", "uploads on their way at one time (default: 1000)")
    .option("--upload-idle <time>", "drop an upload that nobody continues (default: 1h)")
    .option("--min-free-disk <size>", "room that uploads leave for others, 0 for none (default: 256MiB)")
    .option("--access-log [file]", "a line of JSON for each request (default: to stderr)")
    .option("--grace <time>", "for transfers on their way, after a TERM", "20s")
    .option("--drain <time>", "/healthz says 503 so long before that", "0s")
    .optionsGroup("Options:")
    .option("--json", "the address as JSON");
}

/** @throws ImgvolError `flag-invalid` where a flag stands without the one that it is about */
export function checkPairs(flags: ServeFlags): void {
  for (const [flag, given, needed, there] of [
    ["--anonymous-pull", flags.anonymousPull, "--htpasswd", flags.htpasswd],
    ["--gc-every", flags.gcEvery, "--dir", flags.dir],
    ["--mirror-size", flags.mirrorSize, "--mirror", flags.mirror],
  ] as const) {
    if (given === undefined || there !== undefined) continue;
    throw new ImgvolError("flag-invalid", `${flag} says nothing without ${needed}`, {
      hint: `add ${needed}, or leave ${flag} out`,
      wrongUse: true,
    });
  }
}

/** @throws ImgvolError `flag-invalid` */
export function limitsOf(flags: ServeFlags): Limits {
  return given({
    uploads: read(flags.maxUploads, "--max-uploads", parseCount),
    uploadIdle: read(flags.uploadIdle, "--upload-idle", parsePeriod),
    freeDisk: read(flags.minFreeDisk, "--min-free-disk", parseReserve),
  });
}

/** @throws ImgvolError `flag-invalid` */
export function mirrorOf(flags: ServeFlags, io: Io): MirrorOptions | undefined {
  if (flags.mirror === undefined) return undefined;
  return {
    upstreams: flags.mirror,
    remote: remoteOptions({}, io),
    ...given({ cacheSize: read(flags.mirrorSize, "--mirror-size", parseSize) }),
  };
}

/** @throws ImgvolError `flag-invalid` */
export function timesOf(flags: ServeFlags): { grace: number; drain: number; gcEvery?: number } {
  return {
    grace: parseWait(flags.grace, "--grace"),
    drain: parseWait(flags.drain, "--drain"),
    ...given({ gcEvery: read(flags.gcEvery, "--gc-every", parsePeriod) }),
  };
}

function read<T>(
  text: string | undefined,
  flag: string,
  parse: (text: string, flag: string) => T,
): T | undefined {
  return text === undefined ? undefined : parse(text, flag);
}
