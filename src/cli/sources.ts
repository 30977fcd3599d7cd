import { existsSync } from "node:fs";
import type { Finding } from "../base/index.ts";
import { presetSource, type Source, sourcesTree } from "../pack/index.ts";
import { type TarTreeOptions, tarTree } from "../tree/index.ts";
import { defaultCacheFolder } from "../volume/index.ts";
import type { Io } from "./io.ts";
import { stdin } from "./stdin.ts";

/** Sources, ready to be packed. Dispose them only after that: some lie in temporary files. */
export interface Sources extends AsyncDisposable {
  readonly list: readonly Source[];
}

/** Reads `SOURCE[=TARGET]` words: folders and files, `-` for a tar on stdin, `preset:NAME[@VERSION]`. */
export async function openSources(
  words: readonly string[],
  how: TarTreeOptions & { readonly repository?: string | undefined },
  io: Io,
): Promise<Sources> {
  const list: Source[] = [];
  const held: AsyncDisposable[] = [];
  const sources: Sources = {
    list,
    async [Symbol.asyncDispose]() {
      for (const one of held.toReversed()) await one[Symbol.asyncDispose]();
    },
  };
  try {
    for (const word of words) {
      const { source, target } = split(word);
      const place = target === undefined ? {} : { target };
      const preset = /^preset:([^@]*)(?:@(.*))?$/s.exec(source);
      if (preset?.[1] !== undefined) {
        const made = await presetSource(
          preset[1],
          preset[2],
          { ...how, cache: defaultCacheFolder() },
          io.call,
        );
        held.push(made);
        const name = `preset:${made.name}@${made.version}`;
        list.push({ ...place, tree: made.tree, name, told: made.told });
      } else if (source === "-") {
        const told: Finding[] = [];
        const made = await tarTree(
          stdin(io.call),
          { ...how, tell: (finding) => told.push(finding) },
          io.call,
        );
        held.push(made);
        list.push({ ...place, tree: made.tree, name: "the tar on stdin", told });
      } else {
        list.push({ ...place, path: source });
      }
    }
    // Says what is wrong with the words before a store is made for them.
    sourcesTree(list, {});
    return sources;
  } catch (error) {
    await sources[Symbol.asyncDispose]();
    throw error;
  }
}

/** `=` parts source and target, unless a file of the whole name is there. */
function split(word: string): { source: string; target?: string } {
  const equals = word.lastIndexOf("=");
  if (equals <= 0 || existsSync(word)) return { source: word };
  return { source: word.slice(0, equals), target: word.slice(equals + 1) };
}
