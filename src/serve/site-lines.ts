import { shellWord } from "../base/index.ts";

/** What a reader copies from the page: how an image is fetched, tried, and mounted by a pod. */
export interface Lines {
  readonly pull: string;
  readonly run: string;
  readonly pod: string;
}

/**
 * @param host as the reader reached this registry
 * @param digest what the tag names now: the pod stays with it when the tag moves on
 */
export function linesFor(host: string, name: string, tag: string, digest: string): Lines {
  const last = name.split("/").at(-1) ?? name;
  const reference = `${host}/${name}:${tag}`;
  const volume = volumeName(last);
  return {
    pull: `imgvol copy ${shellWord(reference)} ${shellWord(`oci:./${last}:${tag}`)}`,
    run: `imgvol run -v ${shellWord(`${reference}:/mnt/${last}`)} -- ls ${shellWord(`/mnt/${last}`)}`,
    pod: [
      "spec:",
      "  containers:",
      "    - name: app",
      "      volumeMounts:",
      `        - { name: ${volume}, mountPath: /mnt/${last}, readOnly: true }`,
      "  volumes:",
      `    - name: ${volume}`,
      "      image:",
      `        reference: ${reference}@${digest}`,
    ].join("\n"),
  };
}

/** A volume's name in Kubernetes (RFC 1123), that YAML takes for text: a number or `true` by itself would be one. */
function volumeName(last: string): string {
  const name = last
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 63)
    .replace(/-+$/, "");
  return /^\d|^(?:true|false|null|yes|no|on|off|y|n)$/.test(name) ? `"${name}"` : name;
}
