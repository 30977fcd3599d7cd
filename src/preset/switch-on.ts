import { type Finding, printable } from "../base/index.ts";
import { type Container, type Merged, merge } from "./merge.ts";
import { type OtlpTargets, otlpRules } from "./otlp.ts";
import type { EnvRule, Layout, Preset } from "./preset.ts";

/** What a preset is told about the place in which it is switched on. */
export interface SwitchOn {
  /** The preset's own mount path where not given. */
  readonly mountPath?: string | undefined;
  /** The workload's name. */
  readonly serviceName?: string | undefined;
  /** Without it, the container's or the agent's own endpoint stays. */
  readonly otlp?: OtlpTargets | undefined;
  /** What telemetry says of the volume that the agent came from; the digest only where it is pinned. */
  readonly volume?: { readonly reference: string; readonly digest?: string | undefined } | undefined;
  /** Adds the pod's name, uid and namespace, by the downward API. */
  readonly inPod?: boolean | undefined;
}

/**
 * A container's environment with the preset's agent switched on. Pure and idempotent; see {@link merge}.
 *
 * @throws PresetError `preset-invalid`
 */
export function switchOn(preset: Preset, layout: Layout, container: Container, how: SwitchOn): Merged {
  const mount = (how.mountPath ?? preset.mountPath).replace(/(?<=.)\/+$/, "");
  if (/[\s"'\\]/.test(mount)) return { refused: unquotable(mount) };
  const otlp = preset.otlp && otlpRules(container, preset.otlp, how.otlp ?? {});
  const rules = [
    ...layout.env,
    ...preset.env,
    ...(preset.otlp
      ? [...serviceRules(how), ...(otlp?.rules ?? []).map(escaped), ...resourceRules(how)]
      : []),
  ];
  const merged = merge(container, rules, { ...texts(how, otlp?.rules), mount, file: layout.file });
  return "refused" in merged ? merged : { env: merged.env, told: [...merged.told, ...(otlp?.told ?? [])] };
}

/** Rules are data: whatever comes from outside goes into them by a placeholder, so that the merge can escape it. */
function escaped(rule: EnvRule): EnvRule {
  return { ...rule, value: `{${rule.name}}` };
}

function texts(how: SwitchOn, otlp: readonly EnvRule[] = []): Record<string, string> {
  return {
    ...Object.fromEntries(otlp.map((rule) => [rule.name, rule.value])),
    service: how.serviceName ?? "",
    reference: attributeValue(how.volume?.reference ?? ""),
    digest: attributeValue(how.volume?.digest ?? ""),
  };
}

function serviceRules({ serviceName }: SwitchOn): EnvRule[] {
  if (serviceName === undefined) return [];
  // OTEL_SERVICE_NAME wins over service.name in OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry, SDK environment variables).
  const when = { variable: "OTEL_RESOURCE_ATTRIBUTES", lacks: "service.name=" };
  return [{ name: "OTEL_SERVICE_NAME", value: "{service}", rule: "default", when }];
}

const POD_FIELDS = [
  ["k8s.pod.name", "OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "metadata.name"],
  ["k8s.pod.uid", "OTEL_RESOURCE_ATTRIBUTES_POD_UID", "metadata.uid"],
  ["k8s.namespace.name", "OTEL_RESOURCE_ATTRIBUTES_NAMESPACE", "metadata.namespace"],
] as const;

function resourceRules({ volume, inPod }: SwitchOn): EnvRule[] {
  const pod = (inPod ? POD_FIELDS : []).flatMap(([key, name, fieldPath]): EnvRule[] => [
    {
      name,
      value: "",
      valueFrom: { fieldRef: { fieldPath } },
      rule: "default",
      when: { variable: "OTEL_RESOURCE_ATTRIBUTES", lacks: `${key}=` },
    },
    attribute(key, `$(${name})`, "container"),
  ]);
  const reference = volume && attribute("imgvol.volume.reference", "{reference}", "rule");
  const digest = volume?.digest && attribute("imgvol.volume.digest", "{digest}", "rule");
  return [...pod, ...(reference ? [reference] : []), ...(digest ? [digest] : [])];
}

function attribute(key: string, value: string, wins: "container" | "rule"): EnvRule {
  const name = "OTEL_RESOURCE_ATTRIBUTES";
  return { name, value: `${key}=${value}`, rule: "append", join: ",", key: { name: key, wins } };
}

/**
 * A value for OTEL_RESOURCE_ATTRIBUTES: what is not a baggage-octet, and `%` and `=`, percent-encoded (OpenTelemetry,
 * Resource SDK, "Specifying resource information via an environment variable"; W3C Baggage, 3.3.1.3).
 */
export function attributeValue(text: string): string {
  return text.replace(/[^!#-$&-+\--:<>-[\]-~]/gu, (char) =>
    [...Buffer.from(char, "utf8")]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );
}

function unquotable(mount: string): Finding {
  return {
    code: "mount-path-unquotable",
    severity: "error",
    subject: mount,
    message: `a mount path with a space, a quote or a backslash cannot be written into an agent's options: ${printable(mount)}`,
    fix: ["mount the volume at a path without them"],
  };
}
