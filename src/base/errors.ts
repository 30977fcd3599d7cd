/** What every error of imgvol carries. A floor narrows `Code` to its own union of codes. */
export class ImgvolError<Code extends string = string> extends Error {
  /** A stable, kebab-case word that scripts may rely on. */
  readonly code: Code;
  /** The next thing the user can do, without a leading "hint:". */
  readonly hint: string | undefined;
  /** True when the user asked for something that cannot be meant (exit 2 rather than 3). */
  readonly wrongUse: boolean;

  constructor(
    code: Code,
    message: string,
    more: { hint?: string; cause?: unknown; wrongUse?: boolean } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = more.hint;
    this.wrongUse = more.wrongUse ?? false;
  }
}

export type BaseCode =
  | "aborted"
  | "disk-full"
  | "file-changed"
  | "file-unreadable"
  | "folder-unwritable"
  | "name-too-long"
  | "lock-held"
  | "too-large"
  | "port-in-use"
  | "listen-failed"
  | "connection-failed"
  | "tls-failed"
  | "proxy-refused"
  | "redirect-refused"
  | "timeout"
  | "host-refused"
  | "origin-refused";

/** Errors of the ground floor: files, locks, sockets. */
export class BaseError extends ImgvolError<BaseCode> {}

/** The `code` of a Node.js system error (`ENOENT`, …), or undefined for anything else. */
export function errno(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The sentence in an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error, or anything in its chain of causes, says that the caller cancelled. */
export function isAbort(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (e.name === "AbortError" || (e instanceof ImgvolError && e.code === "aborted")) return true;
  }
  return false;
}
