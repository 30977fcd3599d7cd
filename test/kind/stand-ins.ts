import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryFolder } from "../../src/base/index.ts";

/** Remembers containers as files, writes down each word that it is told, and keeps what comes by stdin. */
const DOCKER = `#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
  "info "*) [ -e "$here/no-engine" ] && { echo "cannot connect to the engine" >&2; exit 1; }; echo 28.0.0; exit ;;
esac
echo "docker $*" >>"$here/log"
case "$*" in
  "container inspect --format "*) for name; do :; done; [ -e "$here/container/$name" ] && echo true ;;
  "container inspect "*) [ -e "$here/container/$3" ] ;;
  run\\ *) [ ! -e "$here/fail-run" ] || { echo "no such image" >&2; exit 125; }; : >"$here/container/$4" ;;
  rm\\ *) rm "$here/container/$4" ;;
  *"containerd --version") echo "containerd github.com/containerd/containerd/v2 v2.3.4 0123456" ;;
  *"get --raw /readyz") echo ok ;;
  "exec --interactive "*) cat >>"$here/stdin" ;;
esac
`;

const KIND = `#!/bin/sh
here=$(dirname "$0")
echo "kind $*" >>"$here/log"
case "$1" in
  create) cat >"$here/config"; : >"$here/container/$4-control-plane"
    [ ! -e "$here/hang" ] || { echo hangs >>"$here/log"; exec sleep 1000; } ;;
  delete) [ ! -e "$here/fail-delete" ] || exit 1
    rm -f "$here/container/$4-control-plane" ;;
esac
`;

/** Programs that stand where docker and kind would, on a machine without an engine. */
export interface StandIns extends AsyncDisposable {
  /** A folder for clusters. */
  readonly clusters: string;
  /** What was told to them since this was asked last. */
  told(): Promise<readonly string[]>;
  containers(): Promise<readonly string[]>;
  /** A container that somebody else made. */
  put(container: string): Promise<void>;
  /** Deletes one behind imgvol's back. */
  lose(container: string): Promise<void>;
  /** Makes them fail, or hang. */
  set(fault: "no-engine" | "fail-run" | "fail-delete" | "hang", on: boolean): Promise<void>;
  /** What they were given by stdin. */
  given(file: "config" | "stdin"): Promise<string>;
}

/** Puts them first on this process's PATH; disposing puts back what was there. */
export async function standIns(): Promise<StandIns> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-engine-");
  const at = (...parts: string[]): string => join(folder.path, ...parts);
  await mkdir(at("container"));
  for (const [name, text] of Object.entries({ docker: DOCKER, kind: KIND })) {
    await writeFile(at(name), text);
    await chmod(at(name), 0o755);
  }
  const { PATH: path = "", KIND_EXPERIMENTAL_PROVIDER: provider } = process.env;
  process.env["PATH"] = `${folder.path}:${path}`;
  delete process.env["KIND_EXPERIMENTAL_PROVIDER"];
  let seen = 0;
  return {
    clusters: at("clusters"),
    async told() {
      const lines = (await readFile(at("log"), "utf8").catch(() => "")).split("\n").slice(0, -1);
      const fresh = lines.slice(seen);
      seen = lines.length;
      return fresh;
    },
    containers: async () => (await readdir(at("container"))).sort(),
    put: (container) => writeFile(at("container", container), ""),
    lose: (container) => rm(at("container", container)),
    set: (fault, on) => (on ? writeFile(at(fault), "") : rm(at(fault))),
    given: (file) => readFile(at(file), "utf8"),
    async [Symbol.asyncDispose]() {
      process.env["PATH"] = path;
      if (provider !== undefined) process.env["KIND_EXPERIMENTAL_PROVIDER"] = provider;
      await folder[Symbol.asyncDispose]();
    },
  };
}
