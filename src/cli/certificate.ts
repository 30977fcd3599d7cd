import { readFile } from "node:fs/promises";
import { ImgvolError, messageOf } from "../base/index.ts";

export interface TlsFlags {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** What a server speaks HTTPS with; undefined for plain HTTP. @throws ImgvolError `tls-incomplete`, `tls-unreadable` */
export async function certificate(o: TlsFlags): Promise<{ cert: Uint8Array; key: Uint8Array } | undefined> {
  if (o.tlsCert === undefined && o.tlsKey === undefined) return undefined;
  if (o.tlsCert === undefined || o.tlsKey === undefined) {
    throw new ImgvolError("tls-incomplete", "--tls-cert and --tls-key go together", {
      hint: "give both, or neither for plain HTTP",
      wrongUse: true,
    });
  }
  return { cert: await pem("--tls-cert", o.tlsCert), key: await pem("--tls-key", o.tlsKey) };
}

async function pem(flag: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ImgvolError("tls-unreadable", `${flag}: cannot read ${file}: ${messageOf(cause)}`, {
      hint: "name a PEM file that you may read",
      cause,
      wrongUse: true,
    });
  }
}
