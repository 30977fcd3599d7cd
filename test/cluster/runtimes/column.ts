import { SUB_PATHS } from "./awkward-volume.ts";
import { ASPECTS, type Aspect, below, differences, type Listing, type Seen } from "./listing.ts";
import { type Observed, OTHER, OWNED } from "./observe.ts";

/** What was seen of a runtime, as the cells of its column in the table, by row. */
export function columnOf(packed: Listing, seen: Observed): ReadonlyMap<string, string> {
  const column = new Map<string, string>();
  const owned = new Map([...packed].map(([path, entry]) => [path, { ...entry, owner: OTHER }]));
  const trees = [...seen.trees];
  for (const aspect of Object.keys(ASPECTS) as Aspect[]) {
    const forms = trees.filter(([form]) => aspect !== "modes" || form !== OWNED);
    const wanted = (form: string): Listing => (form === OWNED ? owned : packed);
    column.set(aspect, oneOf(forms.map(([form, tree]) => compared(aspect, wanted(form), tree))));
  }
  column.set("mode of the volume's own folder", oneOf(trees.map(([, tree]) => `0${root(tree).mode}`)));
  column.set("owner of that folder", oneOf(trees.map(([, tree]) => root(tree).owner)));
  column.set("writing", seen.written.replace(/^.*: /, "").toLowerCase());
  column.set("programs of the volume", seen.ran === "ran" ? "run" : `**${seen.ran}**`);
  column.set("root reads others' private files", seen.rootReadsAll ? "yes" : "**no**");
  const limits = ["nosuid", "nodev", "noexec"].filter((option) => seen.mountOptions.has(option));
  column.set("mounted with", limits.join(", ") || "none of nosuid, nodev, noexec");
  column.set("an absolute link leads into", seen.linkIsContainers ? "the container" : "**something else**");
  for (const [name, subPath] of Object.entries(SUB_PATHS)) {
    column.set(`subPath: ${name}`, partSeen(packed, subPath, seen.subPaths.get(name)));
  }
  return column;
}

function root(tree: Listing): Seen {
  const found = tree.get("");
  if (found === undefined) throw new Error("a listing without its root");
  return found;
}

/** One cell, whatever the form. */
function oneOf(cells: readonly string[]): string {
  return [...new Set(cells)].join("; or ");
}

function compared(aspect: Aspect, packed: Listing, tree: Listing): string {
  const wrong = differences(aspect, packed, tree);
  if (wrong.length === 0) return "as packed";
  if (aspect === "modes" && wrong.every((path) => samePermissions(packed, tree, path))) {
    return "as packed, without setuid, setgid, sticky";
  }
  const values = new Set([...tree].flatMap(([path, seen]) => (path === "" ? [] : [ASPECTS[aspect](seen)])));
  return values.size === 1 ? `all ${[...values][0]}` : `**${wrong.length} of ${packed.size - 1} differ**`;
}

function samePermissions(packed: Listing, tree: Listing, path: string): boolean {
  const of = (listing: Listing): number => Number.parseInt(listing.get(path)?.mode ?? "", 8) & 0o777;
  return of(packed) === of(tree);
}

function partSeen(packed: Listing, subPath: string, part: Listing | undefined): string {
  if (part === undefined) return "refused";
  const target = packed.get(subPath)?.target ?? "";
  const folder = target.startsWith("../") ? target.slice(3) : subPath;
  const wanted = below(packed, folder);
  if (wanted.has("") && equal(wanted, part)) {
    if (root(part).kind === "f") return "the file";
    return root(part).mode === root(wanted).mode ? "the folder, with its mode" : "the folder";
  }
  if (equal(packed, part)) return "**ignored: the whole volume**";
  return part.size === 1 ? "**nothing in it**" : "**something else**";
}

/** In names and bytes. */
function equal(wanted: Listing, found: Listing): boolean {
  const same = (["names", "bytes"] as const).every(
    (aspect) => differences(aspect, wanted, found).length === 0,
  );
  return same && root(wanted).kind === root(found).kind && root(wanted).sha256 === root(found).sha256;
}
