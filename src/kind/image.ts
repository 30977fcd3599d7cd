import { ClusterError, MINOR } from "../cluster/index.ts";

/** The release of kind that these images are for; it says so in its release notes. All have containerd 2.2 or later. */
export const KIND = "0.33.0";

const IMAGES: Readonly<Record<string, string>> = {
  "1.37.0": "sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
  "1.36.4": "sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
  "1.35.8": "sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
  "1.34.11": "sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
  // Of earlier releases, of which kind says that they work best effort.
  "1.33.12": "sha256:3f5c8443c620245e4d355cfe09e96a91ead32ceaa569d3f1ca9edf0cb2fe2ff4",
  "1.32.11": "sha256:5fc52d52a7b9574015299724bd68f183702956aa4a2116ae75a63cb574b35af8",
  "1.31.14": "sha256:6f86cf509dbb42767b6e79debc3f2c32e4ee01386f0489b3b2be24b0a55aac2b",
};

/** Of Kubernetes: `1.36` is the newest 1.36 that has an image here, `1.36.4` that one. */
export interface KubernetesVersion {
  /** All that is known of it: with the patch, where one was found. */
  readonly version: string;
  readonly minor: number;
  /** The node image, by digest where it is known. */
  readonly image: string | undefined;
}

/** Of a cluster for which none is named. */
export const DEFAULT_KUBERNETES: string = kubernetesVersion(MINOR).version;

/** @throws ClusterError `version-unsupported` */
export function kubernetesVersion(text: string): KubernetesVersion {
  const [, minor = "", patch] = /^v?1\.(\d{1,3})(?:\.(\d{1,3}))?$/.exec(text) ?? [];
  if (minor === "") {
    throw new ClusterError("version-unsupported", `not a version of Kubernetes: ${JSON.stringify(text)}`, {
      hint: "for example 1.36, or 1.36.4",
      wrongUse: true,
    });
  }
  if (Number(minor) < 31) {
    throw new ClusterError("version-unsupported", `Kubernetes 1.${minor} has no image volumes`, {
      hint: "1.31 has them first, behind a gate; 1.35 by default",
      wrongUse: true,
    });
  }
  const version =
    patch === undefined
      ? (Object.keys(IMAGES).find((known) => known.startsWith(`1.${minor}.`)) ?? `1.${minor}`)
      : `1.${minor}.${patch}`;
  return { version, minor: Number(minor), image: imageOf(version) };
}

function imageOf(version: string): string | undefined {
  const digest = IMAGES[version];
  if (digest !== undefined) return `kindest/node:v${version}@${digest}`;
  return version.split(".").length === 3 ? `kindest/node:v${version}` : undefined;
}

/**
 * How the gate ImageVolume has to be set: undefined where the version's own default does. It came with 1.31, off; is on by
 * default from 1.35, and locked on from 1.36 (KEP-4639).
 *
 * @throws ClusterError `version-unsupported` where it cannot be off
 */
export function imageVolumeGate({ version, minor }: KubernetesVersion, off: boolean): boolean | undefined {
  if (minor < 35) return !off;
  if (!off) return undefined;
  if (minor === 35) return false;
  throw new ClusterError("version-unsupported", `Kubernetes ${version} has the gate ImageVolume locked on`, {
    hint: "--kubernetes 1.35 or earlier, or --provider native, whose API server can behave like 1.34",
    wrongUse: true,
  });
}

/** What image volumes lack on a node, where they do: containerd mounts them from 2.1 on, and their `subPath` from 2.2 on. */
export function lackOf(containerd: string): string | undefined {
  const [major = 0, minor = 0] = containerd.split(".").map((part) => Number.parseInt(part, 10));
  const version = major * 1000 + minor;
  if (Number.isNaN(version) || version >= 2002) return undefined;
  return version < 2001
    ? `containerd ${containerd} mounts no image volumes: 2.1 is the first that does`
    : `containerd ${containerd} mounts the whole image where a subPath is asked for: 2.2 is the first that does not`;
}
