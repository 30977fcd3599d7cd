import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import type { DeclaredHost } from "./hosts-file.ts";

/** The PEM texts of one host. */
export interface HostCertificates {
  readonly ca: readonly string[];
  readonly client: readonly { readonly cert: string; readonly key: string; readonly from: string }[];
}

/** Reads the files that a host names. @throws StoreError `hosts-invalid`, with the file's name */
export async function readCertificates(
  folder: string,
  { ca, client }: Pick<DeclaredHost, "ca" | "client">,
): Promise<HostCertificates> {
  return {
    ca: await Promise.all(ca.map((path) => readAuthority(resolve(folder, path)))),
    client: await Promise.all(
      client.map(([cert, key]) => readPair(resolve(folder, cert), resolve(folder, key ?? cert))),
    ),
  };
}

/**
 * The files of a folder as docker and podman have them: each `NAME.crt` is an authority, each `NAME.cert` with its
 * `NAME.key` a client certificate (https://docs.docker.com/engine/security/certificates).
 */
export async function dockerCertificates(folder: string): Promise<Pick<DeclaredHost, "ca" | "client">> {
  const names = (await readdir(folder)).sort();
  const pairs = names
    .filter((name) => name.endsWith(".cert"))
    .map((cert) => ({ cert, key: cert.replace(/cert$/, "key") }));
  for (const { cert, key } of pairs) {
    if (!names.includes(key)) throw invalid(join(folder, cert), `its key ${key} is not beside it`);
  }
  const alone = names.find((n) => n.endsWith(".key") && !names.includes(n.replace(/key$/, "cert")));
  if (alone !== undefined) {
    throw invalid(join(folder, alone), `its certificate ${alone.replace(/key$/, "cert")} is not beside it`, {
      hint: "name a client's certificate .cert: a .crt is an authority",
    });
  }
  return {
    ca: names.filter((name) => name.endsWith(".crt")),
    client: pairs.map(({ cert, key }) => [cert, key] as const),
  };
}

async function readAuthority(path: string): Promise<string> {
  const pem = await read(path);
  parseCertificate(pem, path);
  return pem;
}

async function readPair(
  certPath: string,
  keyPath: string,
): Promise<{ cert: string; key: string; from: string }> {
  const cert = await read(certPath);
  const key = keyPath === certPath ? cert : await read(keyPath);
  const certificate = parseCertificate(cert, certPath);
  let fits: boolean;
  try {
    fits = certificate.checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw invalid(keyPath, "it has no private key in PEM, or one with a passphrase", { cause });
  }
  if (!fits) throw invalid(keyPath, `it is not the key of ${certPath}`);
  return { cert, key, from: certPath };
}

function parseCertificate(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw invalid(path, "it has no certificate in PEM", { cause });
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw invalid(path, messageOf(cause), { hint: "check the path, and who may read it", cause });
  }
}

function invalid(path: string, why: string, more: { hint?: string; cause?: unknown } = {}): StoreError {
  return new StoreError("hosts-invalid", `${path}: ${why}`, more);
}
