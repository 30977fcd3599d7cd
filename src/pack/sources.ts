import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, posix, relative, resolve, sep } from "node:path";
import { BaseError, printable } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";
import { cleanPath } from "../tar/index.ts";
import {
  composeTree,
  type FolderOptions,
  fileTree,
  folderTree,
  type Part,
  type Tree,
  TreeError,
} from "../tree/index.ts";
import { PackError } from "./errors.ts";

/**
 * What is packed: a folder or file of this machine, or a tree from elsewhere, which `name` names in messages.
 *
 * `target` is where it goes in the volume. A folder's, or a tree's, contents go into it; a file becomes it, or goes
 * into it under its own name where it ends in `/`. Without a target, a tree and an only folder are the volume's root;
 * else a source goes under its base name.
 */
export type Source = { readonly target?: string | undefined } & (
  | { readonly path: string }
  | {
      readonly tree: Tree;
      readonly name: string;
      /** What was found out about it before: what a tar archive's reader left out. */
      readonly told?: readonly Finding[] | undefined;
    }
);

/**
 * The one tree that sources make.
 * @param destination the folder that the image is written to, which must not be packed into itself
 * @throws PackError `target-invalid`, `source-invalid`; BaseError `file-unreadable` for a source that is not there; TreeError `path-conflict`
 */
export function sourcesTree(sources: readonly Source[], options: FolderOptions, destination?: string): Tree {
  const taken = new Map<string, string>();
  const parts = sources.map((source) => {
    const { part, place } = partOf(source, sources.length === 1, options, destination);
    const other = taken.get(place);
    if (other !== undefined) {
      throw new TreeError(
        "path-conflict",
        `two sources for one path: ${shown(place)}, from ${other} and ${part.origin}`,
        {
          hint: "give one of them another place with SOURCE=TARGET",
          wrongUse: true,
        },
      );
    }
    taken.set(place, part.origin);
    return part;
  });
  return composeTree(parts, options);
}

/** A source as a part, and the path that is all its own. */
function partOf(
  source: Source,
  only: boolean,
  options: FolderOptions,
  destination: string | undefined,
): { part: Part; place: string } {
  if ("tree" in source) {
    const target = clean(source.target ?? "");
    return { part: { tree: source.tree, target, origin: printable(source.name) }, place: target };
  }
  const origin = printable(source.path);
  const name = basename(resolve(source.path));
  if (isFolder(source.path)) {
    const target = clean(source.target ?? (only ? "" : name));
    const tree = without(destination, source.path, folderTree(source.path, { ...options, place: target }));
    return { part: { tree, target, origin }, place: target };
  }
  const wanted = source.target ?? name;
  const place = clean(wanted.endsWith("/") || wanted === "" ? `${wanted}/${name}` : wanted);
  if (place === "") throw outside(wanted);
  const target = posix.dirname(place) === "." ? "" : posix.dirname(place);
  const tree = fileTree(source.path, { ...options, place: target }, posix.basename(place));
  return { part: { tree, target, origin }, place };
}

/** Fails when the walk of a folder comes to the destination: what is being written would be read. */
function without(destination: string | undefined, root: string, tree: Tree): Tree {
  if (destination === undefined || !existsSync(destination)) return tree;
  const within = relative(realpathSync(root), realpathSync(destination)).split(sep).join("/");
  const refuse = (): never => {
    throw new PackError(
      "source-invalid",
      `${printable(destination)}, where the image goes, lies in the source`,
      {
        hint: "write it elsewhere, or name it in the source's .imgvolignore",
        wrongUse: true,
      },
    );
  };
  return async function* (call) {
    if (within === "") refuse();
    for await (const entry of tree(call)) {
      if (entry.path === within) refuse();
      yield entry;
    }
  };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new BaseError("file-unreadable", `no such file or folder: ${printable(path)}`, {
      cause,
      wrongUse: true,
    });
  }
}

function clean(target: string): string {
  const path = cleanPath(target);
  if (path === undefined) throw outside(target);
  return path;
}

function outside(target: string): PackError {
  return new PackError("target-invalid", `not a path within the volume: ${printable(target)}`, {
    hint: "write it as it should appear below the mount path, for example lib/agent.jar",
    wrongUse: true,
  });
}

function shown(place: string): string {
  return place === "" ? "the volume's root" : printable(place);
}
