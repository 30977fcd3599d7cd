import { findPreset, type Preset, presets, switchOn } from "../preset/index.ts";
import { table } from "./io.ts";
import type { Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .argument("[name]", "the preset to show")
      .option("--json", "the answer as JSON")
      .addHelpText("after", "\nExamples:\n  imgvol presets\n  imgvol presets otel-java")
      .action(
        run(async (io, name: string | undefined) => {
          if (name === undefined) {
            const all = presets();
            io.answer(all, () =>
              table(
                ["NAME", "MOUNTED AT", "TITLE"],
                all.map((p) => [p.name, p.mountPath, p.title]),
              ),
            );
            return 0;
          }
          const preset = findPreset(name);
          io.answer(preset, () => described(preset));
          return 0;
        }),
      );
  },
};

/** What a pod gets: the mount, and the environment that an empty container would have. */
function described(preset: Preset): string {
  const [layout] = preset.layouts;
  const merged =
    layout &&
    switchOn(preset, layout, { env: [], expansion: "kubelet" }, { serviceName: "NAME", inPod: true });
  const env = merged !== undefined && "env" in merged ? merged.env : [];
  return [
    `${preset.name}: ${preset.title}`,
    "",
    `mounted read-only at ${preset.mountPath}, and in the environment:`,
    ...env.map((v) => `  ${v.name}=${v.value ?? "(from the pod)"}`),
    "",
    `make its image:  imgvol pack preset:${preset.name} -t REFERENCE`,
    `switch it on:    imgvol run -p ${preset.name}=REFERENCE -- COMMAND`,
  ].join("\n");
}
