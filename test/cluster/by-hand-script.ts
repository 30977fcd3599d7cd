import { cp, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { oras } from "../peers/oras.ts";
import { programOf, run } from "../peers/program.ts";

/** How image volumes are published by hand, as docs/by-hand.md goes through it: with tar, sha256sum, gzip, printf and ORAS. */
const TAR = `tar c -f layer.tar -C files --sort=name --format=posix --owner=0 --group=0 --numeric-owner --mode=0444 --clamp-mtime`;
const SCRIPT = `set -eu
${TAR} --mtime="$MTIME" "$@"
cp layer.tar kept.tar
DIFF_ID="$(sha256sum layer.tar | head -c 64)"
gzip --best --no-name layer.tar
if [ "$DIFF_ID_OF" = gzip ]; then DIFF_ID="$(sha256sum layer.tar.gz | head -c 64)"; fi
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \\
  "$DIFF_ID" > config.json
"$ORAS" push --disable-path-validation \\
  --config "config.json:application/vnd.oci.image.config.v1+json" \\
  --oci-layout "layout:latest" \\
  "layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip"
"$ORAS" cp --from-oci-layout "layout:latest" "$REFERENCE"
`;

export interface ByHand {
  /** tar's --mtime; 0, where a script does not know better. */
  readonly mtime?: string;
  /** What the config's diff_id is the checksum of. Only the tar's is right. */
  readonly diffIdOf?: "tar" | "gzip";
}

/** Publishes what is in a folder as the hand-made script does. @returns the folder of its files, `kept.tar` among them */
export async function publishByHand(
  reference: string,
  source: string,
  names: readonly string[],
  folder: string,
  { mtime = "0", diffIdOf = "tar" }: ByHand = {},
): Promise<string> {
  const work = await mkdtemp(join(folder, "by-hand-"));
  await mkdir(join(work, "files"));
  await cp(source, join(work, "files"), { recursive: true });
  const env = { ORAS: await programOf(oras), REFERENCE: reference, MTIME: mtime, DIFF_ID_OF: diffIdOf };
  await run("sh", ["-c", SCRIPT, "sh", ...names], { cwd: work, env });
  return work;
}

/** `oras push` of a folder as it is, without a config: what comes to mind first. */
export async function pushFolder(reference: string, folder: string): Promise<void> {
  await run(await programOf(oras), ["push", reference, "."], { cwd: folder });
}
