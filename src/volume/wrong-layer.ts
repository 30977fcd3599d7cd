import { type Call, errno, ImgvolError } from "../base/index.ts";
import { type Descriptor, type Store, StoreError } from "../oci/index.ts";
import type { VolumeImage } from "./volume-image.ts";

/** What ends an unpacking whatever the layers hold. */
const OF_THE_DISK: ReadonlySet<string> = new Set(["disk-full", "disk-reserve"]);

/**
 * After an unpacking failed: whether that was since a mirror gave a wrong layer, and another host can be asked for it now. Wrong
 * bytes may be no archive at all, or a hostile one, so that it failed before their digest was known. What mirrors gave is
 * therefore read once more, to the end: that costs time only where there is an error and a mirror.
 */
export async function passOverWrongLayer(
  store: Store,
  image: VolumeImage,
  error: unknown,
  call: Call,
): Promise<boolean> {
  const { mirrors } = store.can;
  if (mirrors === undefined || !(error instanceof ImgvolError) || OF_THE_DISK.has(error.code)) return false;
  const given = image.layers.filter(({ descriptor }) => mirrors.giver(descriptor) !== undefined);
  if (given.length > 0) call.progress?.say(`${error.message}: looking whether a mirror is to blame`);
  for (const { descriptor } of given) {
    if (await isWrong(store, descriptor, { signal: call.signal })) return mirrors.passOver(descriptor, call);
  }
  return false;
}

async function isWrong(store: Store, d: Descriptor, call: Call): Promise<boolean> {
  try {
    for await (const _chunk of store.read(d, call)) call.signal.throwIfAborted();
    return false;
  } catch (error) {
    call.signal.throwIfAborted();
    return error instanceof StoreError && ["digest-mismatch", "size-mismatch"].includes(errno(error) ?? "");
  }
}
