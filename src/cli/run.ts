import { parsePlatform } from "../oci/index.ts";
import { targetsFor } from "../preset/index.ts";
import { openCache, runVolumes, type VolumeMount } from "../volume/index.ts";
import type { Io } from "./io.ts";
import { addRemoteFlags, type Opened, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import type { Verb } from "./verb.ts";
import { parseMount, parsePreset, parseVolume } from "./volume-words.ts";

interface Options extends RemoteFlags {
  readonly volume?: string[];
  readonly mount?: string[];
  readonly preset?: string[];
  readonly otlpEndpoint?: string;
  readonly serviceName?: string;
  readonly platform?: string;
}

/** As docker run and env have it: our own failures are told from the command's by a code that few commands use. */
const FAILED = 125;

/** A list by repeating the flag: `-v A -v B`, so that the words after it are the command's. */
const repeated = (word: string, before: string[] = []): string[] => [...before, word];

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
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
        .option("--service-name <name>", "what telemetry calls the command (default: its program)")
        .option("--platform <os/arch>", "whose volumes (default: this machine's)"),
    )
      .passThroughOptions()
      .addHelpText(
        "after",
        "\nExamples:\n  imgvol run -v localhost:5001/agent:1:/opt/agent -- ls -l /opt/agent\n  imgvol run -p otel-java=localhost:5001/otel-java:2.33.1 -- java -jar app.jar",
      )
      .action(
        run(async (io, words: string[], options: Options) => {
          const [program = "", ...args] = words;
          const open: Opened[] = [];
          try {
            const mounts = await openMounts(options, open, io);
            const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
            const otlp = options.otlpEndpoint === undefined ? undefined : targetsFor(options.otlpEndpoint);
            const exit = await runVolumes(
              await openCache(),
              mounts,
              { argv: [program, ...args], forwardSignals: true, onStart: io.handOver },
              { platform, otlp, serviceName: options.serviceName, tell: io.tell },
              io.call,
            );
            return exit.code;
          } finally {
            for (const one of open) await one[Symbol.asyncDispose]();
          }
        }, FAILED),
      );
  },
};

async function openMounts(options: Options, open: Opened[], io: Io): Promise<readonly VolumeMount[]> {
  const volumes = [
    ...(options.volume ?? []).map(parseVolume),
    ...(options.mount ?? []).map(parseMount),
    ...(options.preset ?? []).map((text) => parsePreset(text)),
  ];
  const remote = remoteOptions(options);
  const mounts: VolumeMount[] = [];
  for (const volume of volumes) {
    const image = await opened(volume.reference, remote, io);
    open.push(image);
    mounts.push({ ...volume, store: image.store, wanted: image.wanted });
  }
  return mounts;
}
