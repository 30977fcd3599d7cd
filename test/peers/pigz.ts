import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

/** gzip on several cores. A script in front of it finds the library that it needs beside it. */
export const pigz: Peer = {
  name: "pigz",
  version: "testing-4",
  async fetch(into) {
    await unpackDebian(["pigz", "libzopfli1"], into);
    const script =
      '#!/bin/sh\nhere=$(dirname "$0")\nexport LD_LIBRARY_PATH="$here/usr/lib"\nexec "$here/usr/bin/pigz" "$@"\n';
    await writeFile(join(into, "pigz"), script, { mode: 0o755 });
  },
  program: "pigz",
};
