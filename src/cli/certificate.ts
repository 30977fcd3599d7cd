import { ImgvolError, type TlsFiles } from "../base/index.ts";

export interface TlsFlags {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
}

/** The files that a server speaks HTTPS with; undefined for plain HTTP. @throws ImgvolError `tls-incomplete` */
export function tlsFiles({ tlsCert, tlsKey, tlsClientCa }: TlsFlags): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert !== undefined && tlsKey !== undefined)
    return { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa };
  throw new ImgvolError("tls-incomplete", "--tls-cert and --tls-key go together", {
    hint: "give both, or neither for plain HTTP",
    wrongUse: true,
  });
}
