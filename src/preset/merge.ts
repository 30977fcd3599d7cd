import { type Finding, printable } from "../base/index.ts";
import { PresetError } from "./errors.ts";
import type { EnvRule, EnvVar } from "./preset.ts";

/** What is known of a container's environment before anything is switched on. */
export interface Container {
  /** In the manifest's order; where a name is there twice, the last one counts, as in the kubelet. */
  readonly env: readonly EnvVar[];
  /** What the container's image sets; undefined where nobody looked. */
  readonly imageEnv?: ReadonlyMap<string, string> | undefined;
  /**
   * `kubelet`: values may hold `$(VAR)`, and `$$` is one `$`.
   * `none`: values are taken as they are (a plain process).
   */
  readonly expansion: "kubelet" | "none";
}

export type Merged =
  | { readonly env: readonly EnvVar[]; readonly told: readonly Finding[] }
  /** The container must be left alone, and why. */
  | { readonly refused: Finding };

/**
 * Merges rules into a container's environment. Pure, and idempotent: merging its result again changes nothing. The
 * container's variables all stay, in their order.
 *
 * @param values for the placeholders: `{ mount: "/mnt/otel-java", … }`
 * @throws PresetError `preset-invalid` for a placeholder without a value
 */
export function merge(
  container: Container,
  rules: readonly EnvRule[],
  values: Readonly<Record<string, string>>,
): Merged {
  const work: Work = { container, env: [...container.env], added: new Set(), touched: new Set(), told: [] };
  for (const rule of rules) {
    if (!holds(rule, work)) continue;
    const value = fill(rule, values, container.expansion);
    const refused = rule.rule === "default" ? setDefault(rule, value, work) : join(rule, value, work);
    if (refused) return { refused };
  }
  return { env: ordered(work), told: work.told };
}

interface Work {
  readonly container: Container;
  readonly env: EnvVar[];
  /** Names that the container did not have. */
  readonly added: Set<string>;
  /** Names whose values are, at least partly, ours. */
  readonly touched: Set<string>;
  readonly told: Finding[];
}

/** Where the variable stands that counts. */
function position(name: string, env: readonly EnvVar[]): number {
  return env.findLastIndex((entry) => entry.name === name);
}

function holds(rule: EnvRule, work: Work): boolean {
  if (rule.when === undefined) return true;
  const { variable, lacks } = rule.when;
  const own = work.env[position(variable, work.env)]?.value;
  return !(own ?? work.container.imageEnv?.get(variable) ?? "").includes(lacks);
}

function fill(
  rule: EnvRule,
  values: Readonly<Record<string, string>>,
  expansion: Container["expansion"],
): string {
  return rule.value.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new PresetError("preset-invalid", `${rule.name}: no value for {${name}}`);
    return expansion === "kubelet" ? literal(value) : value;
  });
}

/** Text that the kubelet's expansion turns back into `text`. */
function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}

function setDefault(rule: EnvRule, value: string, work: Work): undefined {
  if (position(rule.name, work.env) !== -1) return;
  // What `$(VAR)` refers to must be in the manifest: the kubelet does not look at the image's variables.
  if (rule.valueFrom === undefined && work.container.imageEnv?.has(rule.name)) return;
  work.env.push(
    rule.valueFrom === undefined
      ? { name: rule.name, value }
      : { name: rule.name, valueFrom: rule.valueFrom },
  );
  work.added.add(rule.name);
  work.touched.add(rule.name);
}

/** `append`, `prepend` and `refuse`: what is there counts. */
function join(rule: EnvRule, value: string, work: Work): Finding | undefined {
  const at = position(rule.name, work.env);
  const own = work.env[at];
  if (own?.valueFrom !== undefined) return fromElsewhere(rule.name);
  if (own !== undefined) tellDuplicate(rule.name, work);
  const inherited = own === undefined ? inheritedValue(rule, work) : undefined;
  const old = own === undefined ? inherited : (own.value ?? "");
  const next = rule.rule === "refuse" ? unlessOther(rule, old, value) : joined(rule, old, value);
  if (typeof next === "object") return next;
  if (own === undefined && next === inherited) return undefined;
  if (own?.value === next) return undefined;
  work.touched.add(rule.name);
  if (own === undefined) {
    work.env.push({ name: rule.name, value: next });
    work.added.add(rule.name);
  } else {
    work.env[at] = { ...own, value: next };
  }
  return undefined;
}

/** A variable in the manifest replaces the image's own, so what the image says must be carried over. */
function inheritedValue(rule: EnvRule, work: Work): string | undefined {
  const { imageEnv, expansion } = work.container;
  if (imageEnv === undefined) {
    if (rule.rule !== "refuse") tellUnknown(rule.name, work);
    return undefined;
  }
  const value = imageEnv.get(rule.name);
  return value !== undefined && expansion === "kubelet" ? literal(value) : value;
}

function unlessOther(rule: EnvRule, old: string | undefined, value: string): string | Finding {
  return old === undefined || old === value ? value : taken(rule, old);
}

function joined(rule: EnvRule, old: string | undefined, value: string): string | Finding {
  if (old === undefined || old === "") return value;
  const separator = rule.join ?? " ";
  if (rule.key !== undefined) return withItem(old.split(separator), rule.key, value).join(separator);
  if (`${separator}${old}${separator}`.includes(`${separator}${value}${separator}`)) return old;
  if (rule.conflict !== undefined && new RegExp(rule.conflict).test(old)) return taken(rule, old);
  return rule.rule === "append" ? `${old}${separator}${value}` : `${value}${separator}${old}`;
}

function withItem(items: readonly string[], key: NonNullable<EnvRule["key"]>, value: string): string[] {
  const has = (item: string): boolean => item.trim().startsWith(`${key.name}=`);
  if (!items.some(has)) return [...items.filter((item) => item !== ""), value];
  return key.wins === "container" ? [...items] : items.map((item) => (has(item) ? value : item));
}

const REFERENCE = /\$\$|\$\(([^)]+)\)/g;

/** The kubelet expands `$(VAR)` only where VAR's own entry came before: what ours refer to goes ahead of them. */
function ordered({ env, added, touched, container }: Work): EnvVar[] {
  const result = [...env];
  if (container.expansion === "none") return result;
  for (const name of added) {
    const from = position(name, result);
    const user = result.findIndex((entry) => touched.has(entry.name) && refersTo(entry.value, name));
    if (user !== -1 && user < from) result.splice(user, 0, ...result.splice(from, 1));
  }
  return result;
}

function refersTo(value: string | undefined, name: string): boolean {
  return [...(value ?? "").matchAll(REFERENCE)].some((match) => match[1] === name);
}

function fromElsewhere(name: string): Finding {
  return {
    code: "env-value-from",
    severity: "error",
    subject: name,
    message: `${name} comes from elsewhere (valueFrom), so what would be joined to it is not known`,
    fix: [
      `write ${name} as a plain value in the manifest, or add the agent's option where ${name} comes from`,
    ],
  };
}

function taken(rule: EnvRule, old: string): Finding {
  const agent = rule.conflict !== undefined;
  return {
    code: agent ? "agent-present" : "env-taken",
    severity: "error",
    subject: rule.name,
    message: agent
      ? `${rule.name} already switches on an agent: ${printable(old)}`
      : `${rule.name} is already set to something else: ${printable(old)}`,
    fix: [`take it out of ${rule.name}, or leave this container out`],
  };
}

function tellDuplicate(name: string, work: Work): void {
  if (work.container.env.filter((entry) => entry.name === name).length < 2) return;
  tell(work, {
    code: "env-duplicate",
    severity: "warning",
    subject: name,
    message: `${name} is there more than once; only the last one counts, and that one was changed`,
    fix: [`keep one ${name}: a later apply may drop either`],
  });
}

function tellUnknown(name: string, work: Work): void {
  tell(work, {
    code: "image-env-unknown",
    severity: "warning",
    subject: name,
    message: `the app's image was not looked into: if it sets ${name}, that value is lost`,
    fix: ["look into the image with --inspect-images", `or write the image's ${name} into the manifest`],
  });
}

function tell(work: Work, finding: Finding): void {
  if (!work.told.some((f) => f.code === finding.code && f.subject === finding.subject))
    work.told.push(finding);
}
