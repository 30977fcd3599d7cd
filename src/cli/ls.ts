import { printable } from "../base/index.ts";
import { type Listed, ls } from "../pack/index.ts";
import { addVolumeFlags, opened, platformOf, remoteOptions, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends VolumeFlags {
  readonly long?: boolean;
  readonly json?: boolean;
}

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .argument("<ref>", "the image")
        .argument("[path]", "a folder or file in it (default: all)")
        .option("-l, --long", "modes, owners, sizes and link targets")
        .option("--json", "one JSON object a line"),
    )
      .addHelpText("after", examples("imgvol ls localhost:5001/agent:1", "imgvol ls -l oci:./layout:1 lib"))
      .action(
        run(async (io, ref: string, path: string | undefined, options: Options) => {
          const platform = platformOf(options);
          await using image = await opened(ref, remoteOptions(options, io), io);
          const line = options.json ? JSON.stringify : options.long ? long : short;
          for await (const entry of ls(image.store, image.wanted, path ?? "", { platform }, io.call)) {
            await io.write(Buffer.from(`${line(entry)}\n`));
          }
          return 0;
        }),
      );
  },
};

function short(e: Listed): string {
  return printable(e.path) + (e.type === "dir" ? "/" : "");
}

const KIND: Readonly<Record<Listed["type"], string>> = { file: "-", dir: "d", symlink: "l", hardlink: "h" };

function long(e: Listed): string {
  const owner = `${e.uid}:${e.gid}`.padStart(5);
  const target = e.target === undefined ? "" : ` -> ${printable(e.target)}`;
  return `${KIND[e.type]}${rights(e.mode)} ${owner} ${String(e.size ?? 0).padStart(12)} ${short(e)}${target}`;
}

function rights(mode: number): string {
  const bits = [..."rwxrwxrwx"].map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : "-")).join("");
  return (mode & 0o7000) === 0 ? bits : `${bits}(${(mode & 0o7777).toString(8)})`;
}
