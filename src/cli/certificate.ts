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
  const alone = tlsCert === undefined && tlsKey === undefined;
  const said = alone
    ? "--tls-client-ca needs --tls-cert and --tls-key"
    : "--tls-cert and --tls-key go together";
  throw new ImgvolError("tls-incomplete", said, {
    hint: alone
      ? "only HTTPS asks clients for a certificate: give the server's own, too"
      : "give both, or neither for plain HTTP",
    wrongUse: true,
  });
}
