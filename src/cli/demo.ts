import { printable } from "../base/index.ts";
import { type DemoResult, parseApp, renderDemo, runClusterDemo, runDemo } from "../demo/index.ts";
import { type SpanNode, spanTree } from "../telemetry/index.ts";
import { untilStopped } from "./listen.ts";
import { examples, type Verb } from "./verb.ts";

interface Options {
  readonly once?: boolean;
  readonly cluster?: boolean;
  readonly bin?: string;
}

export const verb: Verb = {
  define(command, run) {
    command
      .argument("[app]", "spring or node (default: spring where a JDK 17 and Maven are, else node)")
      .option("--once", "end when the telemetry has been shown")
      .option("--cluster", "on a Kubernetes of this machine (spring; Linux, root): pods, Services, a kubelet")
      .option(
        "--bin <folder>",
        "the cluster's programs (default: the cache; what is missing is built with Go)",
      )
      .option("--json", "what was shown as JSON: app, volume, dashboard, services, traces")
      .addHelpText("after", examples("imgvol demo", "imgvol demo node --once"))
      .action(
        run(async (io, word: string | undefined, options: Options) => {
          const app = word === undefined ? undefined : parseApp(word);
          const on = {
            command: (line: string): void => io.say(`$ ${line}`),
            note: (sentence: string): void => io.say(`  ${sentence}`),
            output: (line: string): void => void process.stderr.write(`  | ${printable(line)}\n`),
          };
          await using demo = options.cluster
            ? await runClusterDemo({ app, on, bin: options.bin }, io.call)
            : await runDemo({ app, on }, io.call);
          // Nothing is left to clean up when the answer is written: its reader may go away.
          if (options.once) await demo[Symbol.asyncDispose]();
          io.say("");
          const look = { color: io.color, width: process.stdout.columns || undefined };
          const address = options.once ? "" : `\n\ndashboard  ${demo.dashboard}`;
          io.answer(jsonOf(demo, options.once), () => `${renderDemo(demo, look)}${address}`);
          if (options.once) return 0;
          io.say("open the dashboard, send more requests, or stop it all with Ctrl-C");
          await untilStopped(io.call.signal);
          return 0;
        }),
      );
  },
};

/** The documented answer: traces as trees of spans, with durations in milliseconds. */
function jsonOf({ app, volume, dashboard, services, traces }: DemoResult, over = false): unknown {
  return {
    app,
    volume: { reference: volume.reference, digest: volume.digest },
    ...(over ? {} : { dashboard }),
    services,
    traces: traces.map((trace) => ({
      traceId: trace.traceId,
      sources: trace.sources,
      spans: spanTree(trace.records, trace.logs).map(nodeOf),
    })),
  };
}

function nodeOf({ span, children, logs }: SpanNode): unknown {
  return {
    name: span.name,
    service: span.service,
    kind: span.kind,
    ms: Number(span.end - span.start) / 1e6,
    logs: logs.map((log) => log.body),
    children: children.map(nodeOf),
  };
}
