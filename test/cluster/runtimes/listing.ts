// What a shell sees of a folder, told so that no name, however odd, can be mistaken: the same script runs where the tree was
// packed and where it is mounted. It needs sh, find, sha256sum and base64.

/** For the head of a script: `part NAME COMMAND…` tells what the command wrote; `entries DIR` and `sums DIR` are two of them. */
export const PARTS = `part() { echo "[$1]"; shift; "$@" 2>&1 | base64; }
entries() { find "$1" -printf '%P\\0%y\\0%m\\0%U:%G\\0%T@\\0%i\\0%l\\0'; }
sums() { find "$1" -type f -exec sha256sum -z {} +; }
list() { part "entries $1" entries "$1"; part "sums $1" sums "$1"; }
`;

/** What such a script told, by the parts' names. */
export function readParts(said: string): ReadonlyMap<string, Buffer> {
  const parts = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of said.split("\n")) {
    const name = /^\[(.*)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      lines = [];
      parts.set(name, lines);
    } else if (/^[\w+/]*=*$/.test(line)) lines.push(line);
    else throw new Error(`no part of a listing: ${line}`);
  }
  return new Map([...parts].map(([name, encoded]) => [name, Buffer.from(encoded.join(""), "base64")]));
}

/** An entry as it is seen. Names are bytes, one a character. */
export interface Seen {
  /** `d`, `f`, `l`, or find's letter of another kind. */
  readonly kind: string;
  readonly mode: string;
  readonly owner: string;
  readonly time: string;
  /** Of a symbolic link. */
  readonly target: string;
  /** Of a file's bytes. */
  readonly sha256: string;
  /** The first name of the file that several names are. */
  readonly same: string;
}

/** The entries below a folder, by path; the folder itself is "". */
export type Listing = ReadonlyMap<string, Seen>;

/** What `list DIR` told. */
export function readListing(parts: ReadonlyMap<string, Buffer>, folder: string): Listing {
  const fields = (name: string): string[] =>
    (parts.get(`${name} ${folder}`)?.toString("latin1") ?? "").split("\0");
  const sums = new Map<string, string>();
  for (const sum of fields("sums")) sums.set(sum.slice(66 + folder.length + 1), sum.slice(0, 64));
  const rows = fields("entries");
  const firsts = new Map<string, string>();
  for (let at = 0; at + 6 < rows.length; at += 7) {
    const [path = "", , , , , inode = ""] = rows.slice(at, at + 7);
    const first = firsts.get(inode);
    if (first === undefined || path < first) firsts.set(inode, path);
  }
  const listing = new Map<string, Seen>();
  for (let at = 0; at + 6 < rows.length; at += 7) {
    const [path = "", kind = "", mode = "", owner = "", time = "", inode = "", target = ""] = rows.slice(
      at,
      at + 7,
    );
    const same = kind === "f" ? (firsts.get(inode) ?? "") : "";
    listing.set(path, { kind, mode, owner, time, target, sha256: sums.get(path) ?? "", same });
  }
  return listing;
}

/** What may differ between two listings. */
export const ASPECTS = {
  names: ({ kind }) => kind,
  bytes: ({ sha256 }) => sha256,
  modes: ({ mode }) => mode,
  owners: ({ owner }) => owner,
  "times of files and folders": ({ kind, time }) => (kind === "l" ? "" : time),
  "times of links": ({ kind, time }) => (kind === "l" ? time : ""),
  "targets of links": ({ target }) => target,
  "hard links": ({ same }) => same,
} as const satisfies Readonly<Record<string, (seen: Seen) => string>>;

export type Aspect = keyof typeof ASPECTS;

/** The paths, but for the root, that are not the same in one aspect. */
export function differences(aspect: Aspect, wanted: Listing, found: Listing): string[] {
  const of = (listing: Listing, path: string): string | undefined => {
    const seen = listing.get(path);
    return seen === undefined ? undefined : ASPECTS[aspect](seen);
  };
  const paths = new Set([...wanted.keys(), ...(aspect === "names" ? found.keys() : [])]);
  paths.delete("");
  return [...paths].filter((path) => of(wanted, path) !== of(found, path));
}

/** The part of a listing below one of its folders, which becomes its root. */
export function below(listing: Listing, folder: string): Listing {
  const part = new Map<string, Seen>();
  for (const [path, seen] of listing) {
    if (path === folder) part.set("", seen);
    else if (path.startsWith(`${folder}/`)) part.set(path.slice(folder.length + 1), seen);
  }
  return part;
}
