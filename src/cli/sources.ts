import { existsSync } from "node:fs";
import { type Finding, ResourceStack } from "../base/index.ts";
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
  const held = new ResourceStack();
  try {
    for (const word of words) {
      const { source, target } = split(word);
      const place = target === undefined ? {} : { target };
      const preset = /^preset:([^@]*)(?:@(.*))?$/s.exec(source);
      if (preset?.[1] !== undefined) {
        const options = { ...how, cache: defaultCacheFolder() };
        const made = held.keep(await presetSource(preset[1], preset[2], options, io.call));
        const name = `preset:${made.name}@${made.version}`;
        list.push({ ...place, tree: made.tree, name, told: made.told });
      } else if (source === "-") {
        const told: Finding[] = [];
        const tell = (finding: Finding): void => void told.push(finding);
        const made = held.keep(await tarTree(stdin(io.call), { ...how, tell }, io.call));
        list.push({ ...place, tree: made.tree, name: "the tar on stdin", told });
      } else {
        list.push({ ...place, path: source });
      }
    }
    // Says what is wrong with the words before a store is made for them.
    sourcesTree(list, {});
    return { list, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

/** `=` parts source and target, unless a file of the whole name is there. */
function split(word: string): { source: string; target?: string } {
  const equals = word.lastIndexOf("=");
  if (equals <= 0 || existsSync(word)) return { source: word };
  return { source: word.slice(0, equals), target: word.slice(equals + 1) };
}
