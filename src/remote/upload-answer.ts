import type { Response } from "../base/index.ts";

/** How many bytes the registry has, by its `Range`; undefined where it does not say so. */
export function arrivedIn(response: Response): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range")?.trim() ?? "")?.[1];
  // "0-0" is said of one byte, and of none.
  return last === undefined || last === "0" ? undefined : Number(last) + 1;
}

/** The sizes of chunks that the registry asks for, in the answer that opened the upload. */
export function chunksIn(begun: Response): { readonly least: number; readonly most: number } {
  return {
    least: lengthIn(begun, "oci-chunk-min-length") ?? 0,
    // A proposal to the specification that some registries follow already.
    most: lengthIn(begun, "oci-chunk-max-length") ?? Number.POSITIVE_INFINITY,
  };
}

function lengthIn(response: Response, name: string): number | undefined {
  const field = response.headers.get(name) ?? "";
  return /^[1-9]\d{0,14}$/.test(field) ? Number(field) : undefined;
}
