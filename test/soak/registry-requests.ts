import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { collect, ImgvolError, quietCall } from "../../src/base/index.ts";
import { type Descriptor, isManifestLike, type Store } from "../../src/oci/index.ts";

const call = quietCall();

/** A server's answer that must never be. */
export class Violation extends Error {}

/** A request that was refused for now, or lost with the server: to be tried again. */
export class Lost extends Error {}

async function ask(
  host: string,
  method: string,
  path: string,
  more: { readonly headers?: Record<string, string>; readonly body?: Uint8Array | ReadableStream } = {},
): Promise<Response> {
  const url = path.startsWith("http") ? path : `http://${host}${path}`;
  const streamed = more.body instanceof ReadableStream ? { duplex: "half" } : {};
  const answer = await fetch(url, { method, ...more, ...streamed } as RequestInit);
  if (answer.status >= 500) throw new Violation(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** As {@link ask}, without the answer's body. */
async function tell(...asked: Parameters<typeof ask>): Promise<Response> {
  const answer = await ask(...asked);
  await answer.arrayBuffer();
  return answer;
}

/** Pushes content by requests of our own, in one of the ways that clients have. @throws Lost where the server refused */
export async function pushRaw(
  host: string,
  repository: string,
  contents: readonly Descriptor[],
  tag: string | undefined,
  source: Store,
  random: () => number,
): Promise<void> {
  const last = contents.at(-1);
  for (const d of contents) {
    const bytes = Buffer.from(await collect(source.read(d, call), d.size, d.digest));
    if (isManifestLike(d.mediaType)) {
      const name = d === last ? (tag ?? d.digest) : d.digest;
      const headers = { "content-type": d.mediaType };
      const put = await tell(host, "PUT", `/v2/${repository}/manifests/${name}`, { headers, body: bytes });
      if (put.status !== 201) throw new Lost(`PUT of a manifest: ${put.status}`);
    } else {
      await pushBlob(host, repository, d, bytes, random());
    }
  }
}

async function pushBlob(
  host: string,
  repository: string,
  { digest }: Descriptor,
  bytes: Buffer,
  way: number,
): Promise<void> {
  const there = await tell(host, "HEAD", `/v2/${repository}/blobs/${digest}`);
  if (there.status === 200) return;
  const uploads = `/v2/${repository}/blobs/uploads/`;
  const began = await tell(host, "POST", way < 0.3 ? `${uploads}?mount=${digest}` : uploads);
  if (began.status === 201) return;
  if (began.status !== 202) throw new Lost(`POST: ${began.status}`);
  let location = began.headers.get("location") ?? "";
  let rest: Uint8Array = bytes;
  if (way > 0.6) {
    const half = Math.floor(bytes.length / 2);
    const body = new Blob([bytes.subarray(0, half)]).stream();
    const patched = await tell(host, "PATCH", location, { body });
    if (patched.status !== 202) throw new Lost(`PATCH: ${patched.status}`);
    location = patched.headers.get("location") ?? "";
    rest = bytes.subarray(half);
  }
  const to = `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
  const put = await tell(host, "PUT", to, { body: rest });
  if (put.status !== 201) throw new Lost(`PUT: ${put.status}`);
}

/** Pulls every piece of an image by requests of our own. @throws Violation where one is missing, or is not what it must be */
export async function pullRaw(
  host: string,
  repository: string,
  tag: string,
  contents: readonly Descriptor[],
): Promise<void> {
  const root = contents.at(-1);
  for (const d of contents) {
    const name = d === root ? tag : d.digest;
    const kind = isManifestLike(d.mediaType) ? `manifests/${name}` : `blobs/${d.digest}`;
    const headers = { accept: d.mediaType };
    const answer = await ask(host, "GET", `/v2/${repository}/${kind}`, { headers });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status !== 200) throw new Violation(`GET ${repository}/${kind}: ${answer.status} ${bytes}`);
    const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (found !== d.digest) throw new Violation(`GET ${repository}/${kind}: ${found}, not ${d.digest}`);
  }
}

/** Every blob that can be seen is whole. */
export async function checkBlobs(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = createHash("sha256")
      .update(await readFile(join(folder, name)))
      .digest("hex");
    if (found !== name) throw new Violation(`${folder}/${name} is ${found}`);
  }
}

/** Whether an error may be the server's being killed, or content that was collected between two requests of a push. */
export function isLoss(error: unknown): boolean {
  if (error instanceof ImgvolError) return !/-mismatch$|-invalid$/.test(error.code);
  if (error instanceof Lost) return true;
  // fetch says no more than this of a connection that was refused or cut.
  return error instanceof TypeError;
}
