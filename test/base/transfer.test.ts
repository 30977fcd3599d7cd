import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readlink, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  CHUNK,
  fromFile,
  type HttpHandler,
  type Listening,
  quietCall,
  serve,
  temporaryFolder,
} from "../../src/base/index.ts";

const call = quietCall();
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Answers with the hash of the body, the number of bytes, and the number of different buffers that they came in. */
const told: HttpHandler = async ({ body }) => {
  const hash = createHash("sha256");
  const buffers = new Set<ArrayBufferLike>();
  let size = 0;
  let largest = 0;
  for await (const piece of body) {
    hash.update(piece);
    buffers.add(piece.buffer);
    size += piece.length;
    largest = Math.max(largest, piece.length);
    // Time for more to come in.
    await new Promise(setImmediate);
  }
  const words = { size, hash: hash.digest("hex"), buffers: buffers.size, largest };
  return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(words)) };
};

async function send({ port }: Listening, parts: readonly Uint8Array[], length?: number): Promise<string> {
  const headers = length === undefined ? {} : { "content-length": length };
  const sent = request({ host: "127.0.0.1", port, method: "PUT", headers });
  const answered = once(sent, "response");
  for (const part of parts) if (!sent.write(part)) await once(sent, "drain");
  sent.end();
  const [response] = await answered;
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

for (const size of [1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 77]) {
  for (const announced of [true, false]) {
    test(`a body of ${size} bytes${announced ? "" : ", sent in chunks,"} comes whole, in two buffers at most`, async () => {
      await using server = await serve(told, { host: "127.0.0.1", port: 0 });
      const bytes = randomBytes(size);
      const parts: Uint8Array[] = [];
      for (let at = 0; at < size; at += 99_991) parts.push(bytes.subarray(at, at + 99_991));
      const answer = JSON.parse(await send(server, parts, announced ? size : undefined));
      assert.equal(answer.size, size);
      assert.equal(answer.hash, sha256(bytes));
      assert.ok(answer.buffers <= 2, `${answer.buffers} buffers`);
      assert.ok(answer.largest <= 2 * CHUNK);
    });
  }
}

test("a body that is cut is an error for its reader, after what came", async () => {
  let got = 0;
  let failed: unknown;
  const ended = Promise.withResolvers<void>();
  const handler: HttpHandler = async ({ body }) => {
    try {
      for await (const piece of body) got += piece.length;
    } catch (error) {
      failed = error;
    }
    ended.resolve();
    return { status: 200, headers: {} };
  };
  await using server = await serve(handler, { host: "127.0.0.1", port: 0 });
  const socket = connect(server.port, "127.0.0.1");
  socket.end(`PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n${"x".repeat(40_000)}`);
  await ended.promise;
  assert.equal(got, 40_000);
  assert.ok(failed instanceof Error && "code" in failed && failed.code === "aborted");
  socket.destroy();
});

test("a reader that leaves a small body early still has its answer sent, and the connection serves the next request", async () => {
  const handler: HttpHandler = async ({ path, body }) => {
    for await (const _ of body) break;
    return { status: 200, headers: {}, body: Buffer.from(path) };
  };
  await using server = await serve(handler, { host: "127.0.0.1", port: 0 });
  const socket = connect(server.port, "127.0.0.1").setEncoding("latin1");
  let answers = "";
  socket.on("data", (text: string) => {
    answers += text;
  });
  const body = "x".repeat(50_000);
  const put = (path: string): string =>
    `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  socket.write(put("/one") + put("/two"));
  while (!answers.includes("/one") || !answers.includes("/two")) await once(socket, "data");
  socket.destroy();
});

/** The files that this process has open below a folder. */
async function openBelow(folder: string): Promise<number> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd").catch(() => [])).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => ""),
    ),
  );
  return links.filter((path) => path.startsWith(folder)).length;
}

test("a file is read whole from any offset, in two buffers, and is closed however its reader ends", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-bytes-");
  const path = join(folder.path, "file");
  const bytes = randomBytes(3 * CHUNK + 5);
  await writeFile(path, bytes);
  for (const offset of [0, 1, CHUNK, bytes.length - 1, bytes.length, bytes.length + 10]) {
    const hash = createHash("sha256");
    const buffers = new Set<ArrayBufferLike>();
    for await (const piece of fromFile(path).open(offset, call)) {
      hash.update(piece);
      buffers.add(piece.buffer);
    }
    assert.equal(hash.digest("hex"), sha256(bytes.subarray(offset)), `from ${offset}`);
    assert.ok(buffers.size <= 2);
  }
  for await (const _ of fromFile(path).open(0, call)) break;
  await assert.rejects(async () => {
    for await (const _ of fromFile(path).open(0, call)) throw new Error("no more");
  }, /no more/);
  const abort = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of fromFile(path).open(0, { signal: abort.signal })) abort.abort();
  }, /abort/);
  assert.equal(await openBelow(folder.path), 0);
  await rm(path);
});
