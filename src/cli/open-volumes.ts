import type { VolumeMount } from "../volume/index.ts";
import type { Io } from "./io.ts";
import { type Opened, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import { parseMount, parsePreset, parseVolume } from "./volume-words.ts";

export interface MountFlags extends RemoteFlags {
  readonly volume?: string[];
  readonly mount?: string[];
  readonly preset?: string[];
}

/** The volumes of `-v`, `--mount` and `-p`. Dispose: closes their stores. */
export interface OpenVolumes extends AsyncDisposable {
  readonly list: readonly VolumeMount[];
}

/** Reads all the words before it opens a store. @throws ImgvolError `volume-invalid`, `preset-image-missing`; StoreError */
export async function openVolumes(flags: MountFlags, io: Io): Promise<OpenVolumes> {
  const volumes = [
    ...(flags.volume ?? []).map(parseVolume),
    ...(flags.mount ?? []).map(parseMount),
    ...(flags.preset ?? []).map((text) => parsePreset(text)),
  ];
  const remote = remoteOptions(flags, io);
  const open: Opened[] = [];
  const list: VolumeMount[] = [];
  const close = async (): Promise<void> => {
    for (const one of open) await one[Symbol.asyncDispose]();
  };
  try {
    for (const volume of volumes) {
      const image = await opened(volume.reference, remote, io);
      open.push(image);
      list.push({ ...volume, store: image.store, wanted: image.wanted });
    }
    return { list, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
