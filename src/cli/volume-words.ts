import { ImgvolError, withoutUserinfo } from "../base/index.ts";
import { findPreset, type Preset, parsePresetRequest } from "../preset/index.ts";

/** A volume as the user wrote it. */
export interface VolumeWords {
  readonly reference: string;
  readonly subPath?: string;
  readonly mountPath?: string;
  readonly preset?: Preset;
}

/**
 * Reads `-v REF[#SUBPATH]:PATH[:ro]`: PATH starts at the last `:/` that is not the scheme's, and ends, as Docker's does, at the next
 * colon. What follows says how it is mounted, for which volumes leave no choice.
 * @throws ImgvolError `volume-invalid`
 */
export function parseVolume(text: string): VolumeWords {
  const scheme = /^(?:oci|oci-archive):/.exec(text)?.[0].length ?? 0;
  const colon = text.lastIndexOf(":/");
  if (colon <= 0 || colon < scheme) {
    const why = /:[^/:]+$/.test(text.slice(scheme)) ? "the path has to be absolute: " : "";
    throw invalid(text, `${why}write REF:/PATH, for example localhost:5001/agent:1:/opt/agent`);
  }
  const source = text.slice(0, colon);
  const [mountPath = "", ...mode] = text.slice(colon + 1).split(":");
  if (mode.length > 0 && mode.join(":") !== "ro") throw invalid(text, modeRefused(mode.join(":")));
  const hash = source.lastIndexOf("#");
  return {
    reference: hash < 0 ? source : source.slice(0, hash),
    ...(hash < 0 ? {} : { subPath: source.slice(hash + 1) }),
    mountPath,
  };
}

/** Reads podman's `--mount type=image,source=REF,target=PATH[,subpath=SUB]`. @throws ImgvolError `volume-invalid` */
export function parseMount(text: string): VolumeWords {
  const names: Readonly<Record<string, string>> = {
    src: "source",
    dst: "target",
    destination: "target",
    readonly: "ro",
    "volume-subpath": "subpath",
  };
  const fields = new Map<string, string>();
  for (const field of text.split(",")) {
    const [name = "", ...value] = field.split("=");
    fields.set(names[name] ?? name, value.join("="));
  }
  const unknown = [...fields.keys()].find(
    (name) => !["type", "source", "target", "subpath", "ro"].includes(name),
  );
  const source = fields.get("source");
  const target = fields.get("target");
  const subPath = fields.get("subpath");
  if (unknown !== undefined) throw invalid(text, `there is no ${JSON.stringify(unknown)} in it`);
  if (fields.get("type") !== "image" || !source || !target) {
    throw invalid(text, "write type=image,source=REF,target=PATH[,subpath=SUB]");
  }
  if (fields.get("ro") === "false") throw invalid(text, "image volumes are read-only");
  return {
    reference: source,
    mountPath: target,
    ...(subPath === undefined ? {} : { subPath: subPath.replace(/^\//, "") }),
  };
}

/** Reads `-p NAME[@VERSION][=REF]`; without REF the image comes from `IMGVOL_PRESET_REGISTRY`. @throws ImgvolError `preset-image-missing` */
export function parsePreset(text: string, env: NodeJS.ProcessEnv = process.env): VolumeWords {
  const request = parsePresetRequest(text);
  const preset = findPreset(request.name);
  if (request.reference !== undefined) return { preset, reference: request.reference };
  const version = request.version ?? preset.payload?.version ?? "latest";
  const registry = env["IMGVOL_PRESET_REGISTRY"];
  if (registry) return { preset, reference: `${registry.replace(/\/+$/, "")}/${request.name}:${version}` };
  const place = `localhost:5001/${request.name}:${version}`;
  throw new ImgvolError("preset-image-missing", `no image is known for the preset ${request.name}`, {
    hint: `make one with: imgvol pack preset:${request.name}@${version} -t ${place}, then use -p ${request.name}=${place}, or set IMGVOL_PRESET_REGISTRY`,
    wrongUse: true,
  });
}

/** Why not, as a hint. A path that really has a colon can be written in the other form. */
function modeRefused(mode: string): string {
  if (mode.split(",").includes("rw")) return "image volumes are read-only: leave out :rw";
  return `after the path only :ro may follow; a path with a colon is written --mount type=image,source=REF,target=PATH:${mode}`;
}

function invalid(text: string, hint: string): ImgvolError {
  return new ImgvolError("volume-invalid", `not a volume: ${JSON.stringify(withoutUserinfo(text))}`, {
    hint,
    wrongUse: true,
  });
}
