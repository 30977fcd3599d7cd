import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asDiskError, type Call, temporaryFolder } from "../base/index.ts";
import { TarReader } from "../tar/index.ts";
import { decompressed } from "./decompressed.ts";
import { SpoolIndex, type TarTreeOptions } from "./spool-index.ts";
import type { Tree } from "./tree.ts";

/**
 * The tree of a tar archive that can be read only once, plain or compressed: file contents go to a temporary file
 * without a name, which is gone with the process at the latest. Where an archive has a path twice, the later entry counts.
 *
 * @throws TreeError `tar-unsafe` for names that lead out of the root or through something that is no folder,
 * TarError and CodecError for broken archives, BaseError `disk-full`
 */
export async function tarTree(
  archive: AsyncIterable<Uint8Array>,
  options: TarTreeOptions,
  call: Call,
): Promise<{ readonly tree: Tree } & AsyncDisposable> {
  const contents = await namelessFile();
  try {
    const index = new SpoolIndex(options);
    await spool(archive, contents, index, call);
    index.complete();
    const entries = index.entries(contents);
    return {
      async *tree() {
        yield* entries;
      },
      [Symbol.asyncDispose]: () => contents.close(),
    };
  } catch (error) {
    await contents.close();
    throw asDiskError(error, tmpdir());
  }
}

/** Its folder is removed at once: however the process ends, nothing is left. */
async function namelessFile(): Promise<FileHandle> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-tar-");
  return await open(join(folder.path, "contents"), "wx+", 0o600);
}

/** Writes the archive as it comes, decompressed, and the entries into `index`, with where their contents lie. */
async function spool(
  archive: AsyncIterable<Uint8Array>,
  contents: FileHandle,
  index: SpoolIndex,
  call: Call,
): Promise<void> {
  let written = 0;
  let current: Uint8Array = Buffer.alloc(0);
  const reader = new TarReader({
    entry: (header) => index.add(header),
    // The part is a view of the chunk that was written to the reader.
    data: (part) => index.locate(written + part.byteOffset - current.byteOffset),
    end() {},
  });
  for await (const chunk of decompressed(untilAborted(archive, call.signal), call)) {
    call.signal.throwIfAborted();
    current = chunk;
    reader.write(chunk);
    await contents.writeFile(chunk);
    written += chunk.length;
  }
  reader.finish();
}

/** Ends on abort even while it waits: a pipe may stay silent for ever. */
async function* untilAborted(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  // Not Promise.race against one promise: that would keep every chunk alive until the end.
  let abandon = (_: unknown): void => {};
  const abort = (): void => abandon(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        abandon = reject;
        source.next().then(resolve, reject);
      });
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // Not awaited: it would wait for the silent pipe.
    source.return?.().catch(() => {});
  }
}
