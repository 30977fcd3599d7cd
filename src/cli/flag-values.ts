import { hostName, ImgvolError, withoutUserinfo } from "../base/index.ts";

/** For commander: a list by repeating the flag (`-v A -v B`), so that the words after it stay arguments. */
export const repeated = (word: string, before: readonly string[] = []): string[] => [...before, word];

/** `host` or `host:port`, with `http://` before it or without. @throws ImgvolError `flag-invalid` */
export function parsePlainHost(text: string, flag: string): string {
  const host = text.replace(/^http:\/\//, "").replace(/\/$/, "");
  if (hostName(host) !== undefined) return host;
  throw flagInvalid(flag, text, "a registry, for example registry.example:5000");
}

/** What was given: without what is undefined, for which the called has its defaults. */
export function given<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept: { [K in keyof T]?: NonNullable<T[K]> } = {};
  for (const key in options) {
    const value = options[key];
    if (value !== undefined && value !== null) kept[key] = value;
  }
  return kept;
}

/** `2GiB`, `500MB`, `1048576`: bytes. @throws ImgvolError `flag-invalid` */
export function parseSize(text: string, flag: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?) ?([KMGT]i?)?B?$/i.exec(text) ?? [];
  const power = unit === "" ? 0 : "KMGT".indexOf(unit.charAt(0).toUpperCase()) + 1;
  const bytes = Math.floor(Number(number) * (unit.length === 2 ? 1024 : 1000) ** power);
  if (number === undefined || bytes < 1) throw flagInvalid(flag, text, "a size, for example 2GiB or 500MB");
  return bytes;
}

/** A size, or `0` for none at all. @throws ImgvolError `flag-invalid` */
export function parseReserve(text: string, flag: string): number {
  return text === "0" ? 0 : parseSize(text, flag);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `45m`, `20s`: milliseconds. @throws ImgvolError `flag-invalid` */
export function parseAge(text: string, flag: string): number {
  const [, number, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (number !== undefined && factor !== undefined) return Number(number) * factor;
  throw flagInvalid(flag, text, "a time, for example 30d, 12h, 45m or 20s");
}

/** What a timer of Node.js can wait for, in whole days: a longer one fires at once. */
const LONGEST_WAIT = 24 * 86_400_000;

/** A time that is waited for: up to 24d. @throws ImgvolError `flag-invalid` */
export function parseWait(text: string, flag: string): number {
  const wait = parseAge(text, flag);
  if (wait <= LONGEST_WAIT) return wait;
  throw flagInvalid(flag, text, "a time of at most 24d");
}

/** A time that is waited for, and is one. @throws ImgvolError `flag-invalid` */
export function parsePeriod(text: string, flag: string): number {
  const period = parseWait(text, flag);
  if (period > 0) return period;
  throw flagInvalid(flag, text, "a time of 1s or more");
}

/** 0 to 65535, where 0 is any free one. @throws ImgvolError `flag-invalid` */
export function parsePort(text: string, flag: string): number {
  const number = parseWhole(text, flag, "a port");
  if (number < 65_536) return number;
  throw flagInvalid(flag, text, "a port");
}

/** `PORT:NODEPORT`; of this machine's, 0 is any free one. @throws ImgvolError `flag-invalid` */
export function parsePublish(text: string, flag: string): { host: number; node: number } {
  const [host = "", node = "", ...rest] = text.split(":");
  if (rest.length === 0 && /^\d+$/.test(host) && /^0*[1-9]\d*$/.test(node)) {
    return { host: parsePort(host, flag), node: parsePort(node, flag) };
  }
  throw flagInvalid(flag, text, "two ports, for example 18888:31888");
}

/** 1 or more. @throws ImgvolError `flag-invalid` */
export function parseCount(text: string, flag: string): number {
  const number = parseWhole(text, flag);
  if (number > 0) return number;
  throw flagInvalid(flag, text, "a number of 1 or more");
}

/** @param wanted for the message. @throws ImgvolError `flag-invalid` */
export function parseWhole(text: string, flag: string, wanted = "a whole number"): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw flagInvalid(flag, text, wanted);
}

/** The text itself, where it is the URL of an HTTP server. @throws ImgvolError `flag-invalid` */
export function parseHttpUrl(text: string, flag: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw flagInvalid(flag, text, "a URL, for example http://127.0.0.1:4318");
}

/** A flag, or a variable, with a value that it cannot have. */
export function flagInvalid(flag: string, text: string, wanted: string): ImgvolError {
  return new ImgvolError("flag-invalid", `${flag}: not ${wanted}: ${JSON.stringify(withoutUserinfo(text))}`, {
    wrongUse: true,
  });
}
