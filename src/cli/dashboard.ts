import { startDashboard } from "../telemetry/index.ts";
import { parsePort, parseSize, repeated } from "./flag-values.ts";
import { untilStopped } from "./listen.ts";

import { examples, type Verb } from "./verb.ts";

interface Options {
  readonly host: string;
  readonly otlpGrpcPort: string;
  readonly otlpHttpPort: string;
  readonly uiPort: string;
  readonly db?: string;
  readonly maxSize?: string;
  readonly allowHost?: string[];
}

export const verb: Verb = {
  define(command, run) {
    command
      .option("--host <address>", "where to listen", "127.0.0.1")
      .option("--otlp-grpc-port <port>", "for OTLP over gRPC; 0 for a free one", "4317")
      .option("--otlp-http-port <port>", "for OTLP over HTTP, protobuf or JSON", "4318")
      .option("--ui-port <port>", "for the page and its API", "18888")
      .option("--db <file>", "keep the telemetry in this file (default: gone at the end)")
      .option("--max-size <size>", "beyond which the oldest goes (default: 1GiB without --db)")
      .option(
        "--allow-host <name>",
        "a name beside loopback under which browsers and senders come; repeat for more",
        repeated,
      )
      .option("--json", "the addresses as JSON")
      .addHelpText("after", examples("imgvol dashboard", "imgvol dashboard --db telemetry.db --ui-port 0"))
      .action(
        run(async (io, o: Options) => {
          await using dashboard = await startDashboard(
            {
              host: o.host,
              otlpGrpcPort: parsePort(o.otlpGrpcPort, "--otlp-grpc-port"),
              otlpHttpPort: parsePort(o.otlpHttpPort, "--otlp-http-port"),
              uiPort: parsePort(o.uiPort, "--ui-port"),
              db: o.db,
              maxBytes: o.maxSize === undefined ? undefined : parseSize(o.maxSize, "--max-size"),
              allowHosts: o.allowHost,
              // From a Secret, say: an argument would be seen by every user of the machine.
              token: process.env["IMGVOL_DASHBOARD_TOKEN"] || undefined,
            },
            io.call,
          );
          const { url, otlpGrpc, otlpHttp } = dashboard;
          io.answer({ url, otlpGrpc, otlpHttp }, () =>
            [`dashboard  ${url}`, `OTLP/gRPC  ${otlpGrpc.endpoint}`, `OTLP/HTTP  ${otlpHttp.endpoint}`].join(
              "\n",
            ),
          );
          io.say("stop it with Ctrl-C");
          await untilStopped(io.call.signal);
          return 0;
        }),
      );
  },
};
