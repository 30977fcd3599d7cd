/** How one agent is mounted and switched on: all that imgvol knows of it, read from one file in `agents/`. */
export interface Preset {
  /** As in `-p NAME`: lower-case letters, digits and dashes. */
  readonly name: string;
  /** The agent's own name, for people. */
  readonly title: string;
  /** Where its volume is mounted unless the user says otherwise. */
  readonly mountPath: string;
  /** The forms in which its files are found in volumes; the first that fits is taken. */
  readonly layouts: readonly Layout[];
  /** What is set whatever the layout, after the layout's own rules. */
  readonly env: readonly EnvRule[];
  /** How it sends telemetry by OTLP; undefined for an agent that does not. */
  readonly otlp?: OtlpAbility;
  /** Where its files come from, for `pack preset:NAME`. */
  readonly payload?: PayloadRecipe;
  readonly needs: Needs;
  readonly expects: TelemetryHints;
}

/** One form of an agent's files. */
export interface Layout {
  /** As in `--layout ID`. */
  readonly id: string;
  /** The path in the volume that tells this layout from the others; `{file}` in its rules. */
  readonly file: string;
  /** Who makes volumes of this form. */
  readonly title: string;
  readonly env: readonly EnvRule[];
}

/**
 * One variable and what becomes of it. `value` may hold `{mount}` (the mount path), `{file}` and other
 * placeholders that the caller of the merge gives.
 */
export interface EnvRule {
  readonly name: string;
  readonly value: string;
  /**
   * - `append`, `prepend`: joined to what the container has, by `join`;
   * - `default`: set where the container does not set it;
   * - `refuse`: set, but a container that sets it to something else is left alone.
   */
  readonly rule: "append" | "prepend" | "default" | "refuse";
  /** Between two values; a space where not given. */
  readonly join?: string;
  /** For lists of `key=value`: an item with this key is there at most once. */
  readonly key?: KeyedItem;
  /** A regular expression: a container whose variable matches it has an agent of this kind, and is left alone. */
  readonly conflict?: string;
  /** The rule holds only where this variable lacks this text. */
  readonly when?: { readonly variable: string; readonly lacks: string };
  /** Instead of `value`, for `default`: the downward API, as in a pod's `valueFrom`. */
  readonly valueFrom?: unknown;
  /** The reason, as `imgvol presets NAME` tells it. */
  readonly why?: string;
}

export interface KeyedItem {
  readonly name: string;
  /** Whose item stays where both have the key: the container's, or the rule's. */
  readonly wins: "container" | "rule";
}

export type OtlpProtocol = "grpc" | "http/protobuf" | "http/json";

export interface OtlpAbility {
  readonly protocols: readonly OtlpProtocol[];
  /** What the agent speaks when nothing is set. */
  readonly default: OtlpProtocol;
  /** The variable whose `-Dotel.…` system properties win over the environment (Java). */
  readonly properties?: string;
}

/** What is needed of the app's container. */
export interface Needs {
  readonly runtime: string;
  /** One layer serves both where false. */
  readonly perArchitecture: boolean;
  readonly libc: "any" | "glibc" | "musl";
}

/** What a healthy app sends once the agent is on; read by `demo` and `doctor`. */
export interface TelemetryHints {
  readonly signals: readonly ("traces" | "metrics" | "logs")[];
  /** Start of an instrumentation scope's name that server spans carry. */
  readonly scopes: readonly string[];
}

export type PayloadRecipe = MavenPayload | NpmPayload;

/** One file of a Maven repository, placed under a name of its own. */
export interface MavenPayload {
  readonly kind: "maven";
  readonly group: string;
  readonly artifact: string;
  /** The version that is taken where none is asked for. */
  readonly version: string;
  /** The file's path in the volume. */
  readonly file: string;
  /** sha256, in hexadecimal, by version. Another version is trusted at first use. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** npm packages by a lock file, pruned, with a boot file at the root. */
export interface NpmPayload {
  readonly kind: "npm";
  readonly version: string;
  /** Lock files by version, relative to `agents/`. */
  readonly locks: Readonly<Record<string, string>>;
  /** Files of ours: their path in the volume -> where they stand, relative to `agents/`. */
  readonly files: Readonly<Record<string, string>>;
  /** Regular expressions: what is left out, by its path in the volume. */
  readonly drops: readonly string[];
}

/** One entry of a container's `env`, as in a pod. */
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}
