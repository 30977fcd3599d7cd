import { verbs } from "./verbs.ts";

/** The program's own help: every verb by its group. Needs nothing but the table, so that it is there at once. */
export function programHelp(): string {
  const name = (verb: (typeof verbs)[number]): string => [verb.name, verb.alias].filter(Boolean).join(", ");
  const width = Math.max(...verbs.map((verb) => name(verb).length));
  const groups = [...new Set(verbs.map((verb) => verb.group))];
  const rows = (group: string): string[] =>
    verbs.filter((v) => v.group === group).map((v) => `  ${name(v).padEnd(width)}  ${v.summary}`);
  return [
    "Deliver files to pods as OCI image volumes: pack, push, mount, inject, observe.",
    "",
    "Usage: imgvol <verb> [options]",
    ...groups.flatMap((group) => ["", `${group}:`, ...rows(group)]),
    "",
    "imgvol <verb> --help says more of each.",
    "",
    "Examples:",
    "  imgvol pack ./agent -t localhost:5001/agent:1",
    "  imgvol demo",
    "",
  ].join("\n");
}
