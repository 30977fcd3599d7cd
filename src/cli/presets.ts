import { findPreset, type Preset, presets, switchOn } from "../preset/index.ts";
import { table } from "./io.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .argument("[name]", "the preset to show")
      .option("--json", "the answer as JSON")
      .addHelpText("after", examples("imgvol presets", "imgvol presets otel-java"))
      .action(
        run(async (io, name: string | undefined) => {
          if (name === undefined) {
            const all = presets();
            io.answer({ presets: all }, () =>
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

/** What a pod gets: the mount, the environment that an empty container would have, and why. */
function described(preset: Preset): string {
  const [layout] = preset.layouts;
  const merged =
    layout &&
    switchOn(preset, layout, { env: [], expansion: "kubelet" }, { serviceName: "NAME", inPod: true });
  const env = merged !== undefined && "env" in merged ? merged.env : [];
  const reasons = [...(layout?.env ?? []), ...preset.env].filter((rule) => rule.why !== undefined);
  return [
    `${preset.name}: ${preset.title}`,
    "",
    `mounted read-only at ${preset.mountPath}, and in the environment:`,
    ...env.map((v) => `  ${v.name}=${v.value ?? "(from the pod)"}`),
    "",
    ...reasons.map((rule) => `${rule.name}: ${rule.why}`),
    `needs ${preset.needs.runtime}`,
    "",
    `make its image:  imgvol pack preset:${preset.name} -t REFERENCE`,
    `switch it on:    imgvol run -p ${preset.name}=REFERENCE -- COMMAND`,
  ].join("\n");
}
