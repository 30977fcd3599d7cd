import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, fromBytes, type HttpHandler, Network, quietCall, serve } from "../../src/base/index.ts";
import {
  canonicalJson,
  type Descriptor,
  type Digest,
  MediaType,
  parseIndex,
  type Store,
} from "../../src/oci/index.ts";
import { memoryBacking, registryHandler } from "../../src/registry/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { codeOf, gather, putImage, storeContract } from "../contract/store.ts";
import { peer, refuse, reply } from "./peer.ts";

const call = quietCall();

const empty = (): AsyncIterable<Uint8Array> => fromBytes(new Uint8Array()).open(0, call);

interface OldRegistry extends AsyncDisposable {
  /** Of every request: `GET /v2/a/b/manifests/x`. */
  readonly seen: string[];
  readonly store: Store;
  /** Another client's. */
  open(): Store;
  readonly handle: HttpHandler;
}

/** Our registry as one of before distribution-spec 1.1, which knows nothing of referrers; `after` runs before each answer. */
async function oldRegistry(
  after: (line: string, handle: HttpHandler) => Promise<void> = async () => {},
): Promise<OldRegistry> {
  const registry = registryHandler(memoryBacking());
  const seen: string[] = [];
  const handler: HttpHandler = async (request) => {
    const line = `${request.method} ${request.path}`;
    seen.push(line);
    if (request.path.includes("/referrers/")) return { status: 404, headers: {} };
    const answer = await (/^PUT .*\/manifests\/sha256-/.test(line) ? putStrictly : registry.handle)(request);
    await after(line, registry.handle);
    const { "oci-subject": _, ...headers } = answer.headers;
    return { ...answer, headers };
  };
  /** As the distribution registry does: an index of what is not there is refused. */
  const putStrictly: HttpHandler = async (request) => {
    const bytes = await collect(request.body, 1_000_000, "the list");
    for (const { digest } of parseIndex(bytes).manifests) {
      const head = { ...request, method: "HEAD", path: `/v2/a/b/manifests/${digest}`, body: empty() };
      if ((await registry.handle(head)).status === 200) continue;
      const error = { code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown to registry" };
      return { status: 404, headers: {}, body: Buffer.from(JSON.stringify({ errors: [error] })) };
    }
    return await registry.handle({ ...request, body: fromBytes(bytes).open(0, call) });
  };
  const listening = await serve(handler, { host: "127.0.0.1", port: 0 });
  const network = new Network({ env: {} });
  const open = (): Store =>
    openRemote({ registry: `127.0.0.1:${listening.port}`, repository: "a/b" }, { network });
  return {
    seen,
    store: open(),
    open,
    handle: registry.handle,
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await listening[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

storeContract("a registry without referrers", () => oldRegistry());

const fallbackOf = (subject: Digest): string => subject.replace(":", "-");

async function putReferrer(store: Store, subject: Descriptor, about: string): Promise<Descriptor> {
  const config = await store.ingest(MediaType.empty, fromBytes(Buffer.from("{}")), call);
  const manifest = {
    ...{ schemaVersion: 2, mediaType: MediaType.manifest, artifactType: "application/x.sbom" },
    ...{ config, layers: [], subject, annotations: { about } },
  };
  return await store.ingest(MediaType.manifest, fromBytes(canonicalJson(manifest)), call);
}

async function listed(store: Store, subject: Digest): Promise<readonly (string | undefined)[]> {
  const found = await gather(store.can.referrers?.referrers(subject, call));
  return found.map((d) => d.annotations?.["about"]).sort();
}

/** As another client writes a list. */
async function putList(
  handle: HttpHandler,
  subject: Digest,
  manifests: readonly Descriptor[],
): Promise<void> {
  const bytes = canonicalJson({ schemaVersion: 2, mediaType: MediaType.index, manifests });
  const answer = await handle({
    method: "PUT",
    path: `/v2/a/b/manifests/${fallbackOf(subject)}`,
    query: new URLSearchParams(),
    headers: new Map([["content-type", MediaType.index]]),
    body: fromBytes(bytes).open(0, call),
    signal: call.signal,
  });
  assert.equal(answer.status, 201);
}

test("side by side, each referrer comes into the list under the tag", async () => {
  await using old = await oldRegistry();
  const subject = await putImage(old.store);
  const names = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(names.map((name) => putReferrer(old.store, subject, name)));
  assert.deepEqual(await listed(old.store, subject.digest), names);
});

test("what another client wrote over our entry is mended, and its own stays", async () => {
  let theirs: Descriptor | undefined;
  let subject: Descriptor | undefined;
  let times = 0;
  await using old = await oldRegistry(async (line, handle) => {
    if (theirs === undefined || subject === undefined || times === 2) return;
    if (line !== `PUT /v2/a/b/manifests/${fallbackOf(subject.digest)}`) return;
    times++;
    await putList(handle, subject.digest, [theirs]);
  });
  subject = await putImage(old.store);
  theirs = {
    ...(await putReferrer(old.store, subject, "theirs")),
    artifactType: "application/x.sbom",
    annotations: { about: "theirs" },
  };
  await putReferrer(old.store, subject, "ours");
  assert.equal(times, 2);
  assert.deepEqual(await listed(old.store, subject.digest), ["ours", "theirs"]);
});

test("a list that others never leave alone ends with an error", async () => {
  let subject: Descriptor | undefined;
  let broken = false;
  await using old = await oldRegistry(async (line, handle) => {
    if (subject === undefined || !broken) return;
    if (line === `PUT /v2/a/b/manifests/${fallbackOf(subject.digest)}`)
      await putList(handle, subject.digest, []);
  });
  subject = await putImage(old.store);
  broken = true;
  assert.equal(await codeOf(putReferrer(old.store, subject, "ours")), "registry-error");
});

test("a deleted referrer leaves the list; one that another client deleted keeps no other out of it", async () => {
  await using old = await oldRegistry();
  const subject = await putImage(old.store);
  const [one, two] = [
    await putReferrer(old.store, subject, "one"),
    await putReferrer(old.store, subject, "two"),
  ];
  await old.store.can.delete?.delete(one, call);
  assert.deepEqual(await listed(old.store, subject.digest), ["two"]);
  const path = `/v2/a/b/manifests/${two.digest}`;
  const request = { path, query: new URLSearchParams(), headers: new Map(), signal: call.signal };
  assert.equal((await old.handle({ ...request, method: "DELETE", body: empty() })).status, 202);
  await putReferrer(old.store, subject, "three");
  assert.deepEqual(await listed(old.store, subject.digest), ["three"]);
});

test("what is there and is not listed is listed by enlist; what was just pushed is known to be", async () => {
  await using old = await oldRegistry();
  const subject = await putImage(old.store);
  const d = await putReferrer(old.store, subject, "one");
  await putList(old.handle, subject.digest, []);
  const before = old.seen.length;
  await old.store.can.referrers?.enlist?.(subject.digest, d, call);
  assert.equal(old.seen.length, before);
  const as = { ...d, annotations: { about: "one" } };
  for (let i = 0; i < 2; i++) await old.open().can.referrers?.enlist?.(subject.digest, as, call);
  assert.deepEqual(await listed(old.store, subject.digest), ["one"]);
});

test("a manifest that cannot be read can be deleted", async () => {
  const digest: Digest = `sha256:${"5".repeat(64)}`;
  await using fake = await peer(({ method }, response) => {
    if (method === "DELETE") return reply(response, 202);
    reply(response, 200, { "content-type": MediaType.manifest }, "damaged");
  });
  const d = { mediaType: MediaType.manifest, digest, size: 7 };
  await fake.open().can.delete?.delete(d, call);
  assert.equal(fake.seen.at(-1)?.method, "DELETE");
});

test("pages of a registry with the API, and a filter that it did not apply", async () => {
  const digest = (n: number): Digest => `sha256:${String(n).repeat(64)}`;
  const entry = (n: number): object => ({
    ...{ mediaType: MediaType.manifest, digest: digest(n), size: n },
    artifactType: n % 2 === 0 ? "application/x.even" : "application/x.odd",
  });
  await using fake = await peer(({ path }, response) => {
    if (!path.startsWith(`/v2/a/b/referrers/${digest(9)}`)) return refuse(response, 404, "NAME_UNKNOWN");
    const last = path.includes("last=2");
    const manifests = last ? [entry(2), entry(3), entry(4)] : [entry(1), entry(2)];
    const link = `</v2/a/b/referrers/${digest(9)}?last=2>; rel="next"`;
    reply(
      response,
      200,
      { "content-type": MediaType.index, ...(last ? {} : { link }) },
      JSON.stringify({ schemaVersion: 2, manifests }),
    );
  });
  const { referrers } = fake.open().can;
  const sizes = async (type?: string): Promise<readonly number[]> =>
    (await gather(referrers?.referrers(digest(9), call, type))).map((d) => d.size);
  assert.deepEqual(await sizes(), [1, 2, 3, 4]);
  assert.deepEqual(await sizes("application/x.even"), [2, 4]);
  assert.match(fake.seen.at(-2)?.path ?? "", /artifactType=application%2Fx\.even/);
  assert.deepEqual(await gather(referrers?.referrers(digest(8), call)), []);
});

test("an answer that is no list is told, and what lies elsewhere is not asked for", async () => {
  const subject: Digest = `sha256:${"7".repeat(64)}`;
  const answers: readonly [string, Record<string, string>][] = [
    ["<html>", {}],
    ["[]", {}],
    ['{"manifests":{}}', {}],
    ['{"manifests":[{"digest":"sha256:1"}]}', {}],
    ['{"manifests":[]}', { link: '<http://127.0.0.1:1/v2/>; rel="next"' }],
    ['{"manifests":[]}', { link: `</v2/a/b/referrers/${subject}>; rel="next"` }],
  ];
  for (const [body, headers] of answers) {
    await using fake = await peer((_seen, response) => reply(response, 200, headers, body));
    const { referrers } = fake.open().can;
    assert.equal(await codeOf(gather(referrers?.referrers(subject, call))), "registry-error", body);
  }
  await using forbidden = await peer((_seen, response) => refuse(response, 403, "DENIED"));
  const { referrers } = forbidden.open().can;
  assert.equal(await codeOf(gather(referrers?.referrers(subject, call))), "denied");
});
