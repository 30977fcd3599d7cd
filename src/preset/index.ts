export { type PresetCode, PresetError } from "./errors.ts";
export { type Container, type Merged, merge } from "./merge.ts";
export { type OtlpTargets, otlpRules, targetsFor } from "./otlp.ts";
export type {
  EnvRule,
  EnvVar,
  KeyedItem,
  Layout,
  MavenPayload,
  Needs,
  NpmPayload,
  OtlpAbility,
  OtlpProtocol,
  PayloadRecipe,
  Preset,
  TelemetryHints,
} from "./preset.ts";
export { AGENTS, findLayout, findPreset, layoutNamed, presets } from "./presets.ts";
export { parsePreset } from "./read.ts";
export { formatPresetRequest, type PresetRequest, parsePresetRequest, parseVersion } from "./request.ts";
export { attributeValue, type SwitchOn, switchOn } from "./switch-on.ts";
