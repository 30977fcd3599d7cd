import type { Command } from "commander";
import { repeated } from "./flag-values.ts";

/** What `registry serve` is told. */
export interface ServeFlags {
  readonly listen: string;
  readonly allowHost?: string[];
  readonly dir?: string;
  readonly readOnly?: boolean;
  readonly sparse?: boolean;
  readonly htpasswd?: string;
  readonly anonymousPull?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly accessLog?: string | true;
  readonly grace: string;
  readonly drain: string;
}

export function addServeFlags(command: Command): void {
  command
    .optionsGroup("Content:")
    .option("--dir <folder>", "keep images in this folder (default: in memory)")
    .option("--read-only", "refuse pushes and deletes")
    .option("--sparse", "take images whose config or layers are not there")
    .optionsGroup("Who may come:")
    .option("--listen <host:port>", "where to listen; port 0 for a free one", "127.0.0.1:5001")
    .option(
      "--allow-host <name>",
      "a name beside loopback under which clients come; repeat for more",
      repeated,
    )
    .option("--htpasswd <file>", "ask for a password; the file is from htpasswd -B, and may change")
    .option("--anonymous-pull", "with --htpasswd: no password for what is only read")
    .option("--tls-cert <file>", "speak HTTPS with this certificate (PEM, may be replaced)")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--tls-client-ca <file>", "clients need a certificate that this authority signed")
    .optionsGroup("Operation:")
    .option("--access-log [file]", "a line of JSON for each request (default: to stderr)")
    .option("--grace <time>", "how long transfers may go on after a TERM", "20s")
    .option("--drain <time>", "how long /healthz says 503 before that", "0s")
    .optionsGroup("Options:")
    .option("--json", "the address as JSON");
}
