import type { Command } from "commander";
import { printable } from "../base/index.ts";
import { startRegistry } from "../registry/index.ts";
import { certificate, type TlsFlags } from "./certificate.ts";
import { repeated } from "./flag-values.ts";
import { parseListen, untilStopped } from "./listen.ts";
import { examples, type Run, type Verb } from "./verb.ts";

interface Options extends TlsFlags {
  readonly listen: string;
  readonly dir?: string;
  readonly readOnly?: boolean;
  readonly allowHost?: string[];
}

export const verb: Verb = {
  define(command, run) {
    serve(command.command("serve"), run);
    command.addHelpText("after", examples("imgvol registry serve", "imgvol registry serve --dir ./registry"));
  },
};

function serve(command: Command, run: Run): void {
  command
    .description("serve the OCI distribution API until Ctrl-C")
    .option("--listen <host:port>", "where to listen; port 0 for a free one", "127.0.0.1:5001")
    .option("--dir <folder>", "keep images in this folder (default: in memory)")
    .option("--read-only", "refuse pushes and deletes")
    .option(
      "--allow-host <name>",
      "a name beside loopback under which clients come; repeat for more",
      repeated,
    )
    .option("--tls-cert <file>", "speak HTTPS with this certificate (PEM)")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--json", "the address as JSON")
    .addHelpText(
      "after",
      examples("imgvol registry serve --dir ./registry", "imgvol registry serve --listen 127.0.0.1:0"),
    )
    .action(
      run(async (io, options: Options) => {
        const listen = parseListen(options.listen);
        const tls = await certificate(options);
        await using registry = await startRegistry(
          {
            ...listen,
            ...(tls === undefined ? {} : { tls }),
            ...(options.dir === undefined ? {} : { dir: options.dir }),
            readOnly: options.readOnly ?? false,
            allowHosts: options.allowHost ?? [],
            onError: (error, { method, path }) => io.say(`${method} ${printable(path)}: ${String(error)}`),
          },
          io.call,
        );
        io.answer({ url: registry.url }, () => registry.url);
        io.say(`a registry over ${options.dir ?? "memory"}; stop it with Ctrl-C`);
        await untilStopped(io.call.signal);
        return 0;
      }),
    );
}
