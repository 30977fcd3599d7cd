import { targetsFor } from "../preset/index.ts";
import { openCache, runVolumes } from "../volume/index.ts";
import { parseHttpUrl, repeated } from "./flag-values.ts";
import { type MountFlags, openVolumes } from "./open-volumes.ts";
import { addVolumeFlags, platformOf, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends VolumeFlags, MountFlags {
  readonly otlpEndpoint?: string;
  readonly serviceName?: string;
}

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .argument("<command...>", "what to run, after --")
        .usage("[options] -- <command...>")
        .option(
          "-v, --volume <ref[#subpath]:path>",
          "a volume and where it is seen; repeat for more",
          repeated,
        )
        .option("--mount <fields>", "the same as type=image,source=REF,target=PATH[,subpath=SUB]", repeated)
        .option("-p, --preset <name[@version][=ref]>", "an agent, mounted and switched on", repeated)
        .option("--otlp-endpoint <url>", "where agents send telemetry")
        .option("--service-name <name>", "what telemetry calls the command (default: its program)"),
      "whose volumes (default: this machine's)",
    )
      .passThroughOptions()
      .addHelpText(
        "after",
        examples(
          "imgvol run -v localhost:5001/agent:1:/opt/agent -- ls -l /opt/agent",
          "imgvol run -p otel-java=localhost:5001/otel-java:2.33.1 -- java -jar app.jar",
        ),
      )
      .action(
        run(async (io, words: string[], options: Options) => {
          const [program = "", ...args] = words;
          const platform = platformOf(options);
          const { otlpEndpoint: to, serviceName } = options;
          const otlp = to === undefined ? undefined : targetsFor(parseHttpUrl(to, "--otlp-endpoint"));
          await using volumes = await openVolumes(options, io);
          const exit = await runVolumes(
            await openCache(),
            volumes.list,
            { argv: [program, ...args], forwardSignals: true, onStart: io.handOver },
            { platform, otlp, serviceName, tell: io.tell },
            io.call,
          );
          return exit.code;
        }),
      );
  },
};
