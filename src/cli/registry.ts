import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { ImgvolError, printable } from "../base/index.ts";
import { startRegistry } from "../registry/index.ts";
import { parseListen, untilStopped } from "./listen.ts";
import type { Run, Verb } from "./verb.ts";

interface Options {
  readonly listen: string;
  readonly dir?: string;
  readonly readOnly?: boolean;
  readonly allowHost?: string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export const verb: Verb = {
  define(command, run) {
    serve(command.command("serve"), run);
  },
};

function serve(command: Command, run: Run): void {
  command
    .description("serve the OCI distribution API until Ctrl-C")
    .option("--listen <host:port>", "where to listen; port 0 for a free one", "127.0.0.1:5001")
    .option("--dir <folder>", "keep images in this folder (default: in memory)")
    .option("--read-only", "refuse pushes and deletes")
    .option("--allow-host <name...>", "names beside loopback under which clients come")
    .option("--tls-cert <file>", "speak HTTPS with this certificate (PEM)")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .addHelpText(
      "after",
      "\nExamples:\n  imgvol registry serve --dir ./registry\n  imgvol registry serve --listen 127.0.0.1:0",
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

async function certificate(o: Options): Promise<{ cert: Uint8Array; key: Uint8Array } | undefined> {
  if (o.tlsCert === undefined && o.tlsKey === undefined) return undefined;
  if (o.tlsCert === undefined || o.tlsKey === undefined) {
    throw new ImgvolError("tls-incomplete", "--tls-cert and --tls-key go together", {
      hint: "give both, or neither for plain HTTP",
      wrongUse: true,
    });
  }
  return { cert: await readFile(o.tlsCert), key: await readFile(o.tlsKey) };
}
