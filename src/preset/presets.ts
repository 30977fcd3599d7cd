import { readdirSync, readFileSync } from "node:fs";
import { PresetError } from "./errors.ts";
import type { Layout, Preset } from "./preset.ts";
import { parsePreset } from "./read.ts";

/** Where the agents' data files stand; `locks` and `files` of a payload are relative to it. */
export const AGENTS: URL = new URL("./agents/", import.meta.url);

/** Every preset, by name. Adding an agent is adding its file to `agents/`. */
export function presets(): readonly Preset[] {
  return names().map(readPreset);
}

/** @throws PresetError `preset-unknown`, naming the presets that there are */
export function findPreset(name: string): Preset {
  const known = names();
  if (known.includes(name)) return readPreset(name);
  throw new PresetError("preset-unknown", `there is no preset ${name}`, {
    hint: `the presets are ${known.join(", ")}`,
    wrongUse: true,
  });
}

/**
 * The layout of a volume.
 *
 * @param holds whether the volume has a file at this path
 * @throws PresetError `layout-unknown`
 */
export async function findLayout(
  preset: Preset,
  holds: (path: string) => boolean | Promise<boolean>,
): Promise<Layout> {
  for (const layout of preset.layouts) if (await holds(layout.file)) return layout;
  throw new PresetError(
    "layout-unknown",
    `the volume holds none of the files that ${preset.name} looks for`,
    {
      hint: `${preset.name} looks for ${preset.layouts.map((l) => `${l.file} (${l.title})`).join(", ")}`,
    },
  );
}

/** The layout that the user named, for where no volume can be looked into. @throws PresetError `layout-unknown` */
export function layoutNamed(preset: Preset, id: string): Layout {
  const found = preset.layouts.find((layout) => layout.id === id);
  if (found !== undefined) return found;
  throw new PresetError("layout-unknown", `${preset.name} has no layout ${id}`, {
    hint: `its layouts are ${preset.layouts.map((layout) => layout.id).join(", ")}`,
    wrongUse: true,
  });
}

function names(): string[] {
  return readdirSync(AGENTS)
    .flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []))
    .sort();
}

function readPreset(name: string): Preset {
  const file = `${name}.json`;
  const preset = parsePreset(readFileSync(new URL(file, AGENTS), "utf8"), file);
  if (preset.name === name) return preset;
  throw new PresetError("preset-invalid", `${file}: its name is ${preset.name}`);
}
