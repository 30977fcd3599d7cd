import {
  fingerprint,
  type Listening,
  messageOf,
  ResourceStack,
  readTls,
  type ServeOptions,
  type Serving,
  serve,
  type TlsFiles,
  watchFiles,
} from "../base/index.ts";
import { errorAnswer, failureAnswer } from "../registry/index.ts";
import type { Front } from "./front.ts";

export interface ServeFrontOptions
  extends Pick<ServeOptions, "host" | "port" | "allowHosts" | "flag" | "grace" | "onError"> {
  /** Speak HTTPS. The files are looked at again and again: a new certificate needs no new start. */
  readonly tls?: TlsFiles & {
    /** Between two looks, in ms. Default 5,000. */
    readonly lookEvery?: number;
  };
  /** Told what its operator should know: a file that has changed, a password in clear. */
  readonly say?: (sentence: string) => void;
}

/** A front that listens, with a certificate that may change. @throws BaseError `port-in-use`, `listen-failed`, `tls-failed` */
export async function serveFront({ handle, around }: Front, options: ServeFrontOptions): Promise<Listening> {
  const { tls: files, ...rest } = options;
  const paths = [files?.cert, files?.key, files?.clientCa].filter((path) => path !== undefined);
  const since = await fingerprint(paths);
  const server = await serve(handle, {
    ...rest,
    ...(files === undefined ? {} : { tls: await readTls(files) }),
    around,
    linked: true,
    errorResponse: (_status, error) => errorAnswer(error) ?? failureAnswer(),
  });
  if (files === undefined) return server;
  const held = new ResourceStack();
  held.keep(server);
  held.keep(watchFiles(paths, since, () => renew(server, files, options.say), files.lookEvery));
  return { ...server, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

/** A pair that cannot be used changes nothing: it may be one of which only half is written. */
async function renew(server: Serving, files: TlsFiles, say?: (sentence: string) => void): Promise<void> {
  try {
    server.renew(await readTls(files));
    say?.(`${files.cert} has changed: new connections get the new certificate`);
  } catch (error) {
    say?.(`the certificate stays as it was: ${messageOf(error)}`);
  }
}
