import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { printableTo } from "./text.ts";

/** What may stand before a program's script or verb and is not worth saying. */
const LEADING = /^(?:-m|-jar|--[\w-]+=.*)$/s;
const PLAIN = /^[\w.@+/-]+$/;

/** A process's program with its script and verb, from its NUL-separated words. Other words may be secrets, and stay out. */
export function commandName(cmdline: string): string {
  const [program = "", ...words] = cmdline.split("\0");
  const said = [program.split(" ")[0]?.replace(/:$/, "") ?? ""];
  const first = words.findIndex((word) => !LEADING.test(word));
  for (const word of first < 0 ? [] : words.slice(first, first + 2)) {
    if (word.startsWith("-") || !PLAIN.test(word)) break;
    said.push(word);
  }
  const name = said.map((word) => basename(word)).join(" ");
  return name === "" ? "a process" : printableTo(name, 80);
}

/**
 * Who listens on a TCP port of this machine, as `name (process 123)`; undefined where that cannot be told:
 * off Linux, or when the process belongs to another user.
 */
export async function portHolder(port: number): Promise<string | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await readFile(table, "utf8").catch(() => "")).split("\n").slice(1)) {
      // proc_pid_net(5): sl local_address rem_address st … inode; addresses are HEX:PORT, state 0A is LISTEN.
      const fields = line.trim().split(/\s+/);
      const local = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      if (local === port && fields[3] === "0A" && fields[9] !== undefined)
        inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of fds) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      if (!inodes.has(target)) continue;
      // Not comm, which is the name of a thread: Node.js calls its first one MainThread.
      const name = commandName(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
      return `${name} (process ${pid})`;
    }
  }
  return undefined;
}
