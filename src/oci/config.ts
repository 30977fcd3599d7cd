import { type Digest, isDigest } from "./digest.ts";
import { OciError } from "./errors.ts";
import { isObject, parseObject } from "./json.ts";

/** A view of an image config (image-spec, config.md): what mounting and injecting need of it. */
export interface ImageConfig {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly created?: string;
  /** Digests of the uncompressed layers, in order. Undefined where the config has no `rootfs` of type `layers`. */
  readonly diffIds?: readonly Digest[];
  /** The image's own environment, in order; a later entry of one name wins. */
  readonly env: ReadonlyMap<string, string>;
}

/** @throws OciError `config-invalid` */
export function parseConfig(bytes: Uint8Array, what = "the image config"): ImageConfig {
  const json = parseObject(bytes, "config-invalid", what);
  const text = (key: string): Record<string, string> => {
    const value = json[key];
    return typeof value === "string" && value !== "" ? { [key]: value } : {};
  };
  const diffIds = diffIdsOf(json["rootfs"], what);
  return {
    ...text("os"),
    ...text("architecture"),
    ...text("variant"),
    ...text("created"),
    ...(diffIds === undefined ? {} : { diffIds }),
    env: envOf(json["config"]),
  };
}

function diffIdsOf(rootfs: unknown, what: string): readonly Digest[] | undefined {
  if (!isObject(rootfs) || rootfs["type"] !== "layers") return undefined;
  const ids = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(ids)) throw new OciError("config-invalid", `${what}: rootfs.diff_ids is not a list`);
  return ids.map((id: unknown, i) => {
    if (isDigest(id)) return id;
    throw new OciError("config-invalid", `${what}: rootfs.diff_ids[${i}] is not a digest`);
  });
}

function envOf(config: unknown): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  const list = isObject(config) ? config["Env"] : undefined;
  for (const item of Array.isArray(list) ? list : []) {
    if (typeof item !== "string") continue;
    const equals = item.indexOf("=");
    if (equals > 0) env.set(item.slice(0, equals), item.slice(equals + 1));
  }
  return env;
}
