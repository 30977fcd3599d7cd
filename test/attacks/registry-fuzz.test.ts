import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { sha256 } from "../registry/exchange.ts";
import { nextCase } from "./fuzz-requests.ts";
import { Dice, type RawAnswer, sendRaw } from "./fuzz-socket.ts";
import { BLOB, type Case } from "./fuzz-words.ts";

// Requests that no good client sends, over real connections. FUZZ_SEED=n tries others; FUZZ_REQUESTS=n tries more.

const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_123);
const REQUESTS = Number(process.env["FUZZ_REQUESTS"] ?? 2500);
const AT_ONCE = 24;

/** distribution-spec, "Error Codes". */
const CODES =
  /^(?:BLOB_UNKNOWN|BLOB_UPLOAD_INVALID|BLOB_UPLOAD_UNKNOWN|DIGEST_INVALID|MANIFEST_BLOB_UNKNOWN|MANIFEST_INVALID|MANIFEST_UNKNOWN|NAME_INVALID|NAME_UNKNOWN|SIZE_INVALID|UNAUTHORIZED|DENIED|UNSUPPORTED|TOOMANYREQUESTS)$/;

for (const place of ["memory", "a folder"] as const) {
  test(`${place}: ${REQUESTS} odd requests over the wire get the answer that is right for them`, async (t) => {
    t.diagnostic(`FUZZ_SEED=${SEED}`);
    await using folder = await temporaryFolder(tmpdir(), "imgvol-fuzz-");
    const outside = join(folder.path, "outside");
    const data = join(outside, "data");
    await mkdir(join(outside, "etc"), { recursive: true });
    await writeFile(join(outside, "etc", "passwd"), "untouched");
    await writeFile(join(outside, "planted"), "untouched");
    const failures: unknown[] = [];
    await using registry = await startRegistry(
      {
        host: "127.0.0.1",
        port: 0,
        ...(place === "memory" ? {} : { dir: data }),
        onError: (error, { method, path }) => failures.push(`${method} ${path}: ${error}`),
      },
      quietCall(),
    );
    const before = await treeOf(outside, data);
    await seed(registry.url);
    const dice = new Dice(SEED);
    let sent = 0;
    const worker = async (): Promise<void> => {
      while (sent < REQUESTS) {
        const number = ++sent;
        const asked = nextCase(dice);
        const answer = await sendRaw(registry.port, asked.bytes, asked.ends);
        check(asked, answer, number);
        if (number % 100 === 0) await alive(registry.url);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    assert.deepEqual(failures, []);
    await alive(registry.url);
    await seed(registry.url);
    assert.deepEqual(await treeOf(outside, data), before);
    if (place === "a folder") {
      // A part of a repository's name, or a word of ours.
      for (const path of await readdir(data, { recursive: true })) {
        assert.match(path, /^(?:_[a-z-]+|[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)(?:\/|$)/);
        assert.doesNotMatch(path, /planted|passwd|\.\./);
      }
    }
  });
}

function check(asked: Case, { status, headers, body }: RawAnswer, number: number): void {
  const head = asked.bytes.subarray(0, 300).toString("latin1");
  const what = `request ${number}, ${asked.kind}: answered ${status} ${body.subarray(0, 300)}\n${head}`;
  assert.ok(asked.right.has(status), what);
  if (status < 400 || body.length === 0) return;
  if (/^(?:GET|HEAD) \/r\//.test(head) && status === 404) {
    assert.match(headers.get("content-type") ?? "", /^text\/html/, what);
    return;
  }
  assert.equal(headers.get("content-type"), "application/json", what);
  const { errors } = JSON.parse(body.toString());
  assert.equal(errors.length, 1, what);
  assert.match(errors[0].code, CODES, what);
  assert.equal(typeof errors[0].message, "string", what);
  assert.ok(errors[0].message.length < 1500, `${what}: the answer repeats what it was sent`);
}

async function seed(url: string): Promise<void> {
  for (const bytes of [BLOB, Buffer.from("{}")]) {
    const target = `${url}/v2/img/blobs/uploads/?digest=${sha256(bytes)}`;
    assert.equal((await fetch(target, { method: "POST", body: new Uint8Array(bytes) })).status, 201);
  }
}

async function alive(url: string): Promise<void> {
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  const response = await fetch(`${url}/v2/img/blobs/${sha256(BLOB)}`);
  assert.equal(await response.text(), BLOB.toString());
}

/** Everything below a folder but for one part of it: names, kinds, times and contents. */
async function treeOf(folder: string, but: string): Promise<readonly string[]> {
  const all: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (path === but) continue;
    const { mode, mtimeMs } = await lstat(path);
    const hash = entry.isFile()
      ? createHash("sha256")
          .update(await readFile(path))
          .digest("hex")
      : "";
    all.push(`${path} ${mode} ${mtimeMs} ${hash}`);
    if (entry.isDirectory()) all.push(...(await treeOf(path, but)));
  }
  return all.sort();
}
