import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, posix, relative, resolve, sep } from "node:path";
import { BaseError, printable, withoutUserinfo } from "../base/index.ts";
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
 * @param destinations the folders and files that the image is written to, which must not be packed into themselves
 * @throws PackError `target-invalid`, `source-invalid`; BaseError `file-unreadable` for a source that is not there; TreeError `path-conflict`
 */
export function sourcesTree(
  sources: readonly Source[],
  options: FolderOptions,
  destinations: readonly string[] = [],
): Tree {
  const taken = new Map<string, string>();
  const parts = sources.map((source) => {
    const { part, place } = partOf(source, sources.length === 1, options, destinations);
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
  destinations: readonly string[],
): { part: Part; place: string } {
  if ("tree" in source) {
    const target = clean(source.target ?? "");
    return { part: { tree: source.tree, target, origin: printable(source.name) }, place: target };
  }
  const origin = printable(source.path);
  const name = basename(resolve(source.path));
  if (isFolder(source.path)) {
    const target = clean(source.target ?? (only ? "" : name));
    const tree = without(destinations, source.path, folderTree(source.path, { ...options, place: target }));
    return { part: { tree, target, origin }, place: target };
  }
  const wanted = source.target ?? name;
  const place = clean(wanted.endsWith("/") || wanted === "" ? `${wanted}/${name}` : wanted);
  if (place === "") throw outside(wanted);
  const target = posix.dirname(place) === "." ? "" : posix.dirname(place);
  const tree = fileTree(source.path, { ...options, place: target }, posix.basename(place));
  return { part: { tree, target, origin }, place };
}

/** Fails when the walk of a folder comes to a destination: what is being written would be read. */
function without(destinations: readonly string[], root: string, tree: Tree): Tree {
  const within = new Map(destinations.map((place) => [inside(root, place), place]));
  const refuse = (destination: string): never => {
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
    const all = within.get("");
    if (all !== undefined) refuse(all);
    for await (const entry of tree(call)) {
      const destination = within.get(entry.path);
      if (destination !== undefined) refuse(destination);
      yield entry;
    }
  };
}

/** A place's path below a folder, whether it is there yet or comes to be while the folder is read. */
function inside(root: string, place: string): string {
  const whole = resolve(place);
  const real = existsSync(whole)
    ? realpathSync(whole)
    : existsSync(dirname(whole))
      ? join(realpathSync(dirname(whole)), basename(whole))
      : whole;
  return relative(realpathSync(root), real).split(sep).join("/");
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    // The system's own message would repeat it, with the password that it may have.
    if (/^https?:\/\//i.test(path)) throw notFetched(path);
    throw new BaseError("file-unreadable", `no such file or folder: ${printable(path)}`, {
      cause,
      wrongUse: true,
    });
  }
}

function notFetched(url: string): BaseError {
  return new BaseError("file-unreadable", `a source is no URL: ${printable(withoutUserinfo(url))}`, {
    hint: "download it first; a tar may come from a pipe: curl … | imgvol pack - -t REF",
    wrongUse: true,
  });
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
