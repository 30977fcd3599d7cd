import { OciError } from "./errors.ts";

/** An operating system and CPU, in Go's words (image-spec, image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

const PART = /^[a-z0-9][a-z0-9_.-]*$/;

/** Reads `os/arch[/variant]`. @throws OciError `platform-invalid` */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.split("/");
  const parts = [os, architecture, ...(variant === undefined ? [] : [variant])];
  if (!os || !architecture || rest.length > 0 || !parts.every((p) => p && PART.test(p))) {
    throw new OciError("platform-invalid", `not a platform: ${text}`, {
      hint: "write os/architecture, for example linux/arm64",
      wrongUse: true,
    });
  }
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

export function formatPlatform(p: Platform): string {
  return [p.os, p.architecture, ...(p.variant ? [p.variant] : [])].join("/");
}

/** The platform of the containers that this machine runs: always Linux, with this CPU. */
export function hostPlatform(arch: string = process.arch): Platform {
  const names: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };
  return { os: "linux", architecture: names[arch] ?? arch };
}

/**
 * How well an index entry for `offered` serves a node of platform `wanted`: 0 not at all, higher is better.
 * As containerd does: arm64 and arm64/v8 are one; amd64 does not run an amd64/v2 or later entry unless asked.
 */
export function platformScore(offered: Platform, wanted: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return 0;
  const a = baseVariant(offered);
  const b = baseVariant(wanted);
  if (a === b) return 2;
  return a === "" ? 1 : 0;
}

function baseVariant(p: Platform): string {
  const implied: Readonly<Record<string, string>> = { arm64: "v8", amd64: "v1" };
  return p.variant === implied[p.architecture] ? "" : (p.variant ?? "");
}
