import { type Finding, printable } from "../base/index.ts";
import type { Container } from "./merge.ts";
import type { EnvRule, OtlpAbility, OtlpProtocol } from "./preset.ts";

/** Where telemetry can be sent: base URLs, without `/v1/traces`. */
export interface OtlpTargets {
  readonly grpc?: string | undefined;
  readonly http?: string | undefined;
}

type Transport = "grpc" | "http";

/**
 * What each port speaks: OTLP's registered ports (OTLP specification, "OTLP/gRPC Default Port", "OTLP/HTTP Default
 * Port"), and those of the Aspire dashboard inside its container.
 */
const PORTS: ReadonlyMap<string, Transport> = new Map([
  ["4317", "grpc"],
  ["4318", "http"],
  ["18889", "grpc"],
  ["18890", "http"],
]);

const BASE = "OTEL_EXPORTER_OTLP";
const SIGNALS = ["TRACES", "METRICS", "LOGS"] as const;

/**
 * The rules that send an agent's telemetry to `targets`. Endpoint and protocol are a pair: where the container has one
 * of them, only the matching other is added; where it has two that do not match, that is told and nothing is changed.
 */
export function otlpRules(
  container: Container,
  ability: OtlpAbility,
  targets: OtlpTargets,
): { readonly rules: readonly EnvRule[]; readonly told: readonly Finding[] } {
  const rules: EnvRule[] = [];
  const told: Finding[] = [];
  const set = (name: string, value: string): void => void rules.push({ name, value, rule: "default" });
  const find = (name: string): Setting => setting(container, ability, name);
  const general = pair(find, BASE);
  if (general.unknown) told.push(unknownSetting(general.unknown));
  else completeGeneral(general, ability, targets, set, told);
  const endpoint = general.endpoint ?? ruled(rules, `${BASE}_ENDPOINT`);
  const protocol = general.protocol ?? ruled(rules, `${BASE}_PROTOCOL`) ?? ability.default;
  for (const signal of SIGNALS) {
    const own = pair(find, `${BASE}_${signal}`);
    if (own.unknown) continue;
    if (own.endpoint !== undefined && own.protocol === undefined) {
      const speaks = transportOfPort(own.endpoint);
      if (speaks === undefined || speaks === transport(protocol)) continue;
      if (general.protocol !== undefined)
        told.push(mismatch(`${BASE}_${signal}_ENDPOINT`, own.endpoint, protocol));
      else set(`${BASE}_${signal}_PROTOCOL`, protocolFor(speaks));
    } else if (own.protocol !== undefined && own.endpoint === undefined) {
      completeSignal(
        signal,
        own.protocol,
        { endpoint, ours: general.endpoint === undefined, targets },
        set,
        told,
      );
    } else if (own.endpoint !== undefined && own.protocol !== undefined) {
      if (clash(own.endpoint, own.protocol)) {
        told.push(mismatch(`${BASE}_${signal}_ENDPOINT`, own.endpoint, own.protocol));
      }
    }
  }
  return { rules, told };
}

/** The endpoint's sibling on the other well-known port: `http://host:4317` gives both it and `http://host:4318`. */
export function targetsFor(endpoint: string, protocol?: OtlpProtocol): OtlpTargets {
  const speaks = transportOfPort(endpoint) ?? transport(protocol ?? "http/protobuf");
  if (portOf(endpoint) === "4317") return { grpc: endpoint, http: endpoint.replace(":4317", ":4318") };
  if (portOf(endpoint) === "4318") return { grpc: endpoint.replace(":4318", ":4317"), http: endpoint };
  return speaks === "grpc" ? { grpc: endpoint } : { http: endpoint };
}

function completeGeneral(
  { endpoint, protocol }: Pair,
  ability: OtlpAbility,
  targets: OtlpTargets,
  set: (name: string, value: string) => void,
  told: Finding[],
): void {
  if (endpoint !== undefined && protocol !== undefined) {
    if (clash(endpoint, protocol)) told.push(mismatch(`${BASE}_ENDPOINT`, endpoint, protocol));
  } else if (endpoint !== undefined) {
    const speaks = transportOfPort(endpoint);
    const matching = ability.protocols.find((p) => transport(p) === speaks);
    if (matching !== undefined) set(`${BASE}_PROTOCOL`, matching);
    else if (speaks !== undefined) told.push(mismatch(`${BASE}_ENDPOINT`, endpoint, ability.default));
  } else if (protocol !== undefined) {
    const target = targets[transport(protocol)];
    if (target !== undefined) set(`${BASE}_ENDPOINT`, target);
    else if (targets.grpc ?? targets.http) told.push(noTarget(`${BASE}_PROTOCOL`, protocol));
  } else {
    const speaks = [ability.default, ...ability.protocols].find((p) => targets[transport(p)] !== undefined);
    const target = speaks && targets[transport(speaks)];
    if (speaks === undefined || target === undefined) return;
    set(`${BASE}_ENDPOINT`, target);
    set(`${BASE}_PROTOCOL`, speaks);
  }
}

/** One signal has a protocol of its own, and shares the general endpoint. */
function completeSignal(
  signal: (typeof SIGNALS)[number],
  protocol: string,
  general: { endpoint: string | undefined; ours: boolean; targets: OtlpTargets },
  set: (name: string, value: string) => void,
  told: Finding[],
): void {
  const { endpoint, ours, targets } = general;
  if (endpoint === undefined) return;
  if (!ours) {
    if (clash(endpoint, protocol)) told.push(mismatch(`${BASE}_ENDPOINT`, endpoint, protocol));
    return;
  }
  const speaks = transport(protocol);
  const target = targets[speaks];
  if (target === endpoint) return;
  if (target === undefined) told.push(noTarget(`${BASE}_${signal}_PROTOCOL`, protocol));
  // OTLP exporter specification: a signal's own HTTP endpoint is used as it is, with nothing added to its path.
  else set(`${BASE}_${signal}_ENDPOINT`, speaks === "grpc" ? target : `${target}/v1/${signal.toLowerCase()}`);
}

type Setting = { readonly value?: string; readonly known: boolean };

interface Pair {
  readonly endpoint: string | undefined;
  readonly protocol: string | undefined;
  /** The variable of the two whose value cannot be known. */
  readonly unknown: string | undefined;
}

function pair(find: (name: string) => Setting, prefix: string): Pair {
  const endpoint = find(`${prefix}_ENDPOINT`);
  const protocol = find(`${prefix}_PROTOCOL`);
  const unknown = !endpoint.known ? "ENDPOINT" : !protocol.known ? "PROTOCOL" : undefined;
  return {
    endpoint: endpoint.value,
    protocol: protocol.value,
    unknown: unknown && `${prefix}_${unknown}`,
  };
}

/** What the agent will see: its system property, else the manifest's variable, else the image's. */
function setting(container: Container, ability: OtlpAbility, name: string): Setting {
  const property = ability.properties && systemProperty(plain(container, ability.properties)?.value, name);
  if (property) return { value: property, known: true };
  return plain(container, name) ?? { known: true };
}

function plain({ env, imageEnv }: Container, name: string): Setting | undefined {
  const own = env.findLast((entry) => entry.name === name);
  if (own?.valueFrom !== undefined) return { known: false };
  const value = own === undefined ? imageEnv?.get(name) : (own.value ?? "");
  return value === undefined ? undefined : { value, known: true };
}

function systemProperty(options: string | undefined, variable: string): string | undefined {
  const property = `-D${variable.toLowerCase().replaceAll("_", ".")}=`;
  const option = options?.split(/\s+/).findLast((word) => word.startsWith(property));
  return option?.slice(property.length);
}

function ruled(rules: readonly EnvRule[], name: string): string | undefined {
  return rules.find((rule) => rule.name === name)?.value;
}

function transport(protocol: string): Transport {
  return protocol === "grpc" ? "grpc" : "http";
}

function protocolFor(speaks: Transport): OtlpProtocol {
  return speaks === "grpc" ? "grpc" : "http/protobuf";
}

function portOf(endpoint: string): string | undefined {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/)?[^/?#]*:(\d+)(?:[/?#]|$)/i.exec(endpoint)?.[1];
}

function transportOfPort(endpoint: string): Transport | undefined {
  return PORTS.get(portOf(endpoint) ?? "");
}

function clash(endpoint: string, protocol: string): boolean {
  const speaks = transportOfPort(endpoint);
  return speaks !== undefined && protocol !== "" && speaks !== transport(protocol);
}

function mismatch(subject: string, endpoint: string, protocol: string): Finding {
  const speaks = transportOfPort(endpoint) ?? "http";
  return {
    code: "otlp-port-protocol",
    severity: "warning",
    subject,
    message: `port ${portOf(endpoint) ?? "?"} of ${printable(endpoint)} speaks ${protocolFor(speaks)}, but the agent will speak ${printable(protocol)}: nothing would arrive`,
    fix: [
      `set the protocol to ${protocolFor(speaks)}, or the port to ${speaks === "grpc" ? "4318" : "4317"}`,
    ],
  };
}

function noTarget(subject: string, protocol: string): Finding {
  return {
    code: "otlp-endpoint-missing",
    severity: "warning",
    subject,
    message: `the container asks for ${printable(protocol)}, and no endpoint that speaks it is known: none was set`,
    fix: [`give the endpoint for ${protocol}, or take ${subject} out`],
  };
}

function unknownSetting(subject: string): Finding {
  return {
    code: "otlp-value-from",
    severity: "note",
    subject,
    message: `${subject} comes from elsewhere (valueFrom): endpoint and protocol were left as they are`,
    fix: ["see that endpoint and protocol match: 4317 is gRPC, 4318 is http/protobuf"],
  };
}
