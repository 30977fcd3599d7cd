import type { Listening } from "../base/index.ts";
import type { ServeFlags } from "./registry-flags.ts";

/** What a registry is, once it listens: over what, and under which addresses clients come. */
export function toldOf(flags: ServeFlags, { url, port }: Pick<Listening, "url" | "port">): string {
  const what = flags.mirror === undefined ? "a registry" : `a mirror of ${flags.mirror.join(", ")}`;
  const over = flags.dir ?? "memory, which nothing outlives: --dir keeps it";
  const addresses = (flags.allowHost ?? []).map((name) => addressOf(name, url, port));
  const at = addresses.length === 0 ? "" : `; clients come to ${addresses.join(", ")}`;
  return `${what} over ${over}${at}; stop it with Ctrl-C`;
}

/** Without the port that the scheme means anyway. */
function addressOf(name: string, url: string, port: number): string {
  const { protocol } = new URL(url);
  const written = `${protocol}//${name}:${port}`;
  return URL.canParse(written) ? new URL(written).origin : written;
}
