import type { Verb } from "./verb.ts";

interface Listed {
  readonly name: string;
  readonly alias?: string;
  readonly group: string;
  readonly summary: string;
  /** The exit code of every failure of ours, wrong use too. Default: 2 for wrong use, else 3. */
  readonly failed?: number;
  load(): Promise<{ verb: Verb }>;
}

/** Every verb, in the order of the help. A verb's file is loaded only when it is used. */
export const verbs: readonly Listed[] = [
  {
    name: "pack",
    group: "Make and move",
    summary: "folders and files into a volume image, straight into a registry or folder",
    load: () => import("./pack.ts"),
  },
  {
    name: "copy",
    group: "Make and move",
    summary: "an image from one store to another: push, pull, mirror",
    load: () => import("./copy.ts"),
  },
  {
    name: "inspect",
    group: "Look inside",
    summary: "platforms, layers, sizes and digests of an image",
    load: () => import("./inspect.ts"),
  },
  { name: "ls", group: "Look inside", summary: "the files in an image", load: () => import("./ls.ts") },
  { name: "cat", group: "Look inside", summary: "one file of an image", load: () => import("./cat.ts") },
  {
    name: "export",
    group: "Look inside",
    summary: "an image's files into a folder, or as a tar on stdout",
    load: () => import("./export.ts"),
  },
  {
    name: "diff",
    group: "Look inside",
    summary: "which files two images do not share",
    load: () => import("./diff.ts"),
  },
  {
    name: "tags",
    group: "Look inside",
    summary: "the tags of a repository",
    load: () => import("./tags.ts"),
  },
  { name: "delete", group: "Make and move", summary: "a tag or an image", load: () => import("./delete.ts") },
  {
    name: "mount",
    group: "Use on this machine",
    summary: "an image, read-only, at a folder",
    load: () => import("./mount.ts"),
  },
  {
    name: "unmount",
    alias: "umount",
    group: "Use on this machine",
    summary: "what mount mounted",
    load: () => import("./unmount.ts"),
  },
  {
    name: "run",
    group: "Use on this machine",
    summary: "a command that sees volumes and agents as a pod would",
    // As docker run and env have it: our own failures are told from the command's by a code that few commands use.
    failed: 125,
    load: () => import("./run.ts"),
  },
  {
    name: "cache",
    group: "Use on this machine",
    summary: "the unpacked volumes: list, prune, verify",
    load: () => import("./cache.ts"),
  },
  {
    name: "presets",
    group: "Agents",
    summary: "the agents that imgvol knows, and what each mounts and sets",
    load: () => import("./presets.ts"),
  },
  {
    name: "demo",
    group: "Agents",
    summary: "the whole journey on this machine: a real agent in an unmodified app",
    load: () => import("./demo.ts"),
  },
  {
    name: "dashboard",
    group: "Serve",
    summary: "receive OTLP and show services, traces and the volumes they came from",
    load: () => import("./dashboard.ts"),
  },
  {
    name: "registry",
    group: "Serve",
    summary: "an OCI registry on a folder",
    load: () => import("./registry.ts"),
  },
  {
    name: "cluster",
    group: "Serve",
    summary: "a Kubernetes of one node, with a registry, to try volumes on",
    load: () => import("./cluster.ts"),
  },
  {
    name: "login",
    group: "Settings",
    summary: "keep credentials for a registry",
    load: () => import("./login.ts"),
  },
  { name: "logout", group: "Settings", summary: "forget them", load: () => import("./logout.ts") },
  {
    name: "version",
    group: "Settings",
    summary: "of imgvol and what it runs on",
    load: () => import("./version.ts"),
  },
];
