/** What docker, podman, skopeo, crane and oras call it, and how that is written here. */
const WRITTEN: Readonly<Record<string, string>> = {
  push: "copy SRC DST",
  pull: "copy SRC DST",
  save: "copy SRC DST",
  load: "copy SRC DST",
  cp: "copy SRC DST",
  sync: "copy SRC DST",
  tag: "copy SRC DST",
  build: "pack SOURCE… -t DEST",
  rm: "delete REF",
  rmi: "delete REF",
  extract: "export REF DIR",
  unpack: "export REF DIR",
  manifest: "inspect REF",
  serve: "registry serve",
  gc: "registry gc --dir DIR",
};

/** What other tools' `word` is here; undefined where they have none such. */
export function writtenHere(word: string): string | undefined {
  return Object.hasOwn(WRITTEN, word) ? WRITTEN[word] : undefined;
}
