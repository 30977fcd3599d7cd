import { readFile } from "node:fs/promises";
import { BaseError, messageOf } from "./errors.ts";
import { nodeTls } from "./node-http.ts";

/** What a server speaks HTTPS with, as PEM. */
export interface TlsPair {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** Clients must present a certificate that one of these authorities signed. */
  readonly clientCa?: string | Uint8Array | undefined;
}

/** The same as files, that may be replaced while the server runs. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string | undefined;
}

/** Reads the files, and makes sure that they belong together. @throws BaseError `tls-failed`, which names the file */
export async function readTls(files: TlsFiles): Promise<TlsPair> {
  const pair: TlsPair = {
    cert: await pem(files.cert),
    key: await pem(files.key),
    clientCa: files.clientCa === undefined ? undefined : await pem(files.clientCa),
  };
  try {
    nodeTls().createSecureContext(secureOptions(pair));
  } catch (cause) {
    const names = Object.values(files).filter((name) => name !== undefined);
    throw new BaseError("tls-failed", `cannot speak HTTPS with ${names.join(", ")}: ${messageOf(cause)}`, {
      hint: "give a certificate and the key that belongs to it, both as PEM",
      cause,
      wrongUse: true,
    });
  }
  return pair;
}

/** As node:tls takes it. */
export function secureOptions({ cert, key, clientCa }: TlsPair): {
  cert: Buffer;
  key: Buffer;
  ca?: Buffer;
  minVersion: "TLSv1.2";
} {
  return {
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    ...(clientCa === undefined ? {} : { ca: Buffer.from(clientCa) }),
    minVersion: "TLSv1.2",
  };
}

async function pem(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new BaseError("tls-failed", `cannot read ${file}: ${messageOf(cause)}`, {
      hint: "name a PEM file that you may read",
      cause,
      wrongUse: true,
    });
  }
}
