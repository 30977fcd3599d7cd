import { parentPort, workerData } from "node:worker_threads";
import { asDiskError, ImgvolError, messageOf } from "../base/index.ts";
import { type Decoder, decoderFor, sniff } from "../codec/index.ts";
import { digester } from "../oci/index.ts";
import { TarReader } from "../tar/index.ts";
import { ContentsWriter } from "./contents.ts";
import { VolumeError } from "./errors.ts";
import { Extractor } from "./extract.ts";
import { Guard } from "./guard.ts";
import { type RingMemory, RingReader } from "./ring.ts";
import { Told } from "./tell.ts";
import type { JobLayer, Unpacked, UnpackJob, UnpackMessage } from "./unpack-job.ts";

// The whole of unpacking on one thread, synchronously: inflate, hash, read tar, write. The other thread receives.
const job = workerData as UnpackJob;

function say(message: UnpackMessage): void {
  parentPort?.postMessage(message);
}

function unpackAll(memory: RingMemory): Unpacked {
  const ring = new RingReader(memory, () => say({ type: "freed" }));
  const told = new Told();
  const guard = new Guard(job.root, job.limits, job.disk);
  const contents = new ContentsWriter(job.contents);
  const extractor = new Extractor(job.root, guard, told, contents, job);
  let bytes = 0;
  try {
    for (const [index, layer] of job.layers.entries()) {
      extractor.beginLayer(index);
      bytes += unpackLayer(ring, layer, guard, extractor);
    }
    extractor.finish();
  } finally {
    extractor.abandon();
    contents.close();
  }
  return { entries: guard.entries, bytes, told: told.findings() };
}

function unpackLayer(ring: RingReader, layer: JobLayer, guard: Guard, extractor: Extractor): number {
  const hash = digester(layer.diffId);
  const tar = new TarReader(extractor);
  let decoder: Decoder | undefined;
  let bytes = 0;
  const take = (piece: Uint8Array): void => {
    bytes += piece.length;
    guard.bytes(piece.length);
    hash.update(piece);
    tar.write(piece);
  };
  ring.readLayer((piece) => {
    decoder ??= decoderFor(sniff(piece));
    for (const decoded of decoder.write(piece)) take(decoded);
  });
  for (const decoded of decoder?.finish() ?? []) take(decoded);
  const diffId = hash.digest();
  if (diffId !== layer.diffId) {
    throw new VolumeError(
      "diff-id-mismatch",
      `layer ${layer.digest} unpacks to ${diffId}, but the image's config says ${layer.diffId}`,
      {
        hint: 'pack it again; containerd refuses it, too: "wrong diff id calculated on extraction"',
      },
    );
  }
  tar.finish();
  return bytes;
}

try {
  say({ type: "done", unpacked: unpackAll(job.ring) });
} catch (thrown) {
  const error = asDiskError(thrown, job.disk.folder);
  say({
    type: "failed",
    name: error instanceof Error ? error.name : "Error",
    code: error instanceof ImgvolError ? error.code : undefined,
    message: messageOf(error),
    hint: error instanceof ImgvolError ? error.hint : undefined,
  });
}
