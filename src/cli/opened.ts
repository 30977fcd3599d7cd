import { existsSync } from "node:fs";
import type { Command } from "commander";
import { dockerCredentials } from "../auth/index.ts";
import { type Finding, ImgvolError } from "../base/index.ts";
import { openStore } from "../copy/index.ts";
import { configuredHosts } from "../hosts/index.ts";
import {
  formatReference,
  type Platform,
  parsePlatform,
  parseReference,
  type Reference,
  type Store,
  wantedOf,
} from "../oci/index.ts";
import type { RemoteOptions } from "../remote/index.ts";
import { wantedIn } from "../store/index.ts";
import { parsePlainHost, repeated } from "./flag-values.ts";
import type { Io } from "./io.ts";
import { version } from "./version-number.ts";

/** The flags of every verb that talks to registries. */
export interface RemoteFlags {
  readonly plainHttp?: string[];
}

export function addRemoteFlags(command: Command): Command {
  return command.option(
    "--plain-http <host>",
    "a registry that speaks HTTP, beside those on loopback; repeat for more",
    repeated,
  );
}

/** The flags of every verb that looks into one platform's volume. */
export interface VolumeFlags extends RemoteFlags {
  readonly platform?: string;
}

export function addVolumeFlags(command: Command, whose = "whose volume (default: this machine's)"): Command {
  return addRemoteFlags(command.option("--platform <os/arch>", whose));
}

/** The platform that `--platform` names. @throws OciError `platform-invalid` */
export function platformOf(flags: VolumeFlags): Platform | undefined {
  return flags.platform === undefined ? undefined : parsePlatform(flags.platform);
}

/** How registries are reached: the user's credentials, and the flags. One object a command, so that its stores share tokens. */
export function remoteOptions(flags: RemoteFlags, io?: Io): RemoteOptions {
  return {
    credentials: dockerCredentials(),
    hosts: configuredHosts(),
    plainHttp: (flags.plainHttp ?? []).map((host) => parsePlainHost(host, "--plain-http")),
    ...(io === undefined ? {} : { tell: (finding: Finding) => io.tell([finding]) }),
    userAgent: `imgvol/${version()}`,
  };
}

/** A reference with its store open. */
export interface Opened extends AsyncDisposable {
  readonly reference: Reference;
  readonly store: Store;
  /** What to ask the store for: the digest, else the tag, else the only image of a layout or archive, else `latest`. */
  readonly wanted: string;
}

/** Reads a reference and opens its store; `create` makes a layout folder or an archive that is not there yet. */
export async function opened(text: string, remote: RemoteOptions, io: Io, create = false): Promise<Opened> {
  const reference = create ? destination(text) : parseReference(text);
  if (create) tellOfOddName(reference, text, io);
  const store = await openStore(reference, { remote, create }, io.call);
  return {
    reference,
    store,
    wanted: create ? wantedOf(reference) : await wantedIn(reference, store, io.call),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/**
 * Reads a destination: in a registry, as everywhere, neither tag nor digest means `latest`.
 * @throws OciError `reference-invalid`
 */
export function destination(text: string): Reference {
  const reference = parseReference(text);
  const unnamed = reference.tag === undefined && reference.digest === undefined;
  return unnamed && reference.scheme === "remote" ? { ...reference, tag: wantedOf(reference) } : reference;
}

/**
 * Of an image that is yet to be made nobody knows the digest.
 * @throws ImgvolError `destination-pinned`; OciError `reference-invalid`
 */
export function checkUnpinned(text: string): void {
  if (parseReference(text).digest === undefined) return;
  throw new ImgvolError("destination-pinned", `what is packed has no digest yet: ${text}`, {
    hint: "leave out @sha256:…: the digest that it gets is the answer",
    wrongUse: true,
  });
}

/** What follows a colon, and can be no tag, is part of the folder's name; few mean that. */
function tellOfOddName(reference: Reference, text: string, io: Io): void {
  if (reference.scheme === "remote" || reference.tag !== undefined || text.endsWith(":")) return;
  const end = /:([^:]*)$/.exec(reference.path)?.[1];
  if (end === undefined || existsSync(reference.path)) return;
  const message = `${JSON.stringify(end)} is no tag, so this makes ${JSON.stringify(reference.path)}, without a tag`;
  io.tell([
    {
      code: "tag-invalid",
      severity: "warning",
      subject: text,
      message,
      fix: ["write a tag of letters, digits, _ . and -, or end the name with a colon"],
    },
  ]);
}

/** `REF@sha256:…`: the last line that pack and copy answer, without the tag, which may move. */
export function byDigest(reference: Reference, digest: Reference["digest"] & string): string {
  const { tag: _, ...untagged } = reference;
  return formatReference({ ...untagged, digest });
}
