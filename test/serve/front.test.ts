import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { sha256 } from "../registry/exchange.ts";
import { team } from "./front.ts";

async function push(url: string, name: string, bytes: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = sha256(bytes);
  const target = `${url}/v2/${name}/blobs/uploads/?digest=${digest}`;
  const response = await fetch(target, { method: "POST", body: bytes });
  assert.equal(response.status, 201);
  return digest;
}

test("the access log: a line for each request, with bytes, status, id and client, and no query", async () => {
  await using registry = await team();
  const digest = await push(registry.url, "a/b", "layer");
  const got = await fetch(`${registry.url}/v2/a/b/blobs/${digest}?token=secret`, {
    headers: { "user-agent": "test/1" },
  });
  await got.text();
  const line = await registry.logged((each) => each["method"] === "GET");
  assert.deepEqual(line, {
    time: line["time"],
    id: got.headers.get("x-request-id"),
    client: "127.0.0.1",
    method: "GET",
    path: `/v2/a/b/blobs/${digest}`,
    status: 200,
    bytesIn: 0,
    bytesOut: 5,
    ms: line["ms"],
    end: "done",
    agent: "test/1",
  });
  assert.ok(!Number.isNaN(Date.parse(String(line["time"]))));
  const pushed = registry.log.find((each) => each["method"] === "POST");
  assert.equal(pushed?.["bytesIn"], 5);
  assert.doesNotMatch(JSON.stringify(registry.log), /secret|digest=/);
});

test("the access log: who is refused for the host or a foreign page is in it, and no client forges a line", async () => {
  await using registry = await team();
  const raw = async (text: string): Promise<string> => {
    const socket = connect(registry.server.port, "127.0.0.1").end(text);
    let answer = "";
    for await (const chunk of socket.setEncoding("latin1")) answer += chunk;
    return answer;
  };
  const evil = '\u009b31m\u0085{"status":200}';
  const answer = await raw(
    `GET /v2/%1b HTTP/1.1\r\nHost: rebound.example\r\nUser-Agent: ${evil}\r\nConnection: close\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1.1 421 [\s\S]*--allow-host rebound\.example/);
  const line = await registry.logged((each) => each["status"] === 421);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  assert.doesNotMatch(`${line["path"]}${line["agent"]}`, /[\u0000-\u001f\u007f-\u009f]/);
  assert.match(String(line["agent"]), /\\u\{9b\}/);
});

test("the access log: a client that goes away in the middle is told as aborted", async () => {
  await using registry = await team();
  const digest = await push(registry.url, "a", Buffer.alloc(24 * 1024 * 1024));
  const socket = connect(registry.server.port, "127.0.0.1");
  socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await once(socket, "data");
  socket.destroy();
  const line = await registry.logged((each) => each["method"] === "GET");
  assert.equal(line["end"], "aborted");
  assert.ok(Number(line["bytesOut"]) < 24 * 1024 * 1024);
  const metrics = await (await fetch(`${registry.url}/metrics`)).text();
  assert.match(metrics, /^imgvol_registry_broken_answers_total\{route="blob",end="aborted"\} 1$/m);
});

test("the access log: an upload that is cut is the client's doing, and no failure of ours", async () => {
  await using registry = await team();
  const socket = connect(registry.server.port, "127.0.0.1");
  const target = `/v2/a/blobs/uploads/?digest=${sha256("x")}`;
  socket.write(
    `POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
  );
  await once(socket, "data");
  socket.destroy();
  const line = await registry.logged((each) => each["method"] === "POST");
  assert.deepEqual([line["status"], line["end"]], [499, "aborted"]);
});

/** Prometheus's own rules of the text format, line by line. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (meta !== null) {
      if (meta[1] === "TYPE") {
        assert.ok(!types.has(meta[2] ?? ""), `${meta[2]} twice`);
        types.set(meta[2] ?? "", meta[3] ?? "");
      }
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$/.exec(
        line,
      );
    assert.ok(sample, line);
    const [, name = "", labels = "", value = ""] = sample;
    const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, "");
    assert.ok(types.has(family), `${line} has no TYPE`);
    assert.ok(!samples.has(name + labels), `${line} twice`);
    samples.set(name + labels, value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value));
    assert.ok(!Number.isNaN(samples.get(name + labels)), line);
  }
  return samples;
}

test("/metrics: what Prometheus can read, with what happened, and no repository's name", async () => {
  await using registry = await team({ version: "1.2.3" });
  const digest = await push(registry.url, "secret-project/app", "layer");
  for (let i = 0; i < 3; i++)
    await (await fetch(`${registry.url}/v2/secret-project/app/blobs/${digest}`)).text();
  await (await fetch(`${registry.url}/v2/secret-project/app/blobs/sha256:${"0".repeat(64)}`)).text();
  await (await fetch(`${registry.url}/nonsense"}\\`, { method: "PROPFIND" })).text();
  await (await fetch(`${registry.url}/v2/other/blobs/uploads/`, { method: "POST" })).text();
  const response = await fetch(`${registry.url}/metrics`);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  assert.doesNotMatch(text, /secret-project|nonsense|PROPFIND/);
  const samples = samplesOf(text);
  const blobs = 'route="blob",method="GET",code="200"';
  for (const [name, value] of [
    [`imgvol_registry_requests_total{${blobs}}`, 3],
    ['imgvol_registry_requests_total{route="blob",method="GET",code="404"}', 1],
    ['imgvol_registry_requests_total{route="uploads",method="POST",code="201"}', 1],
    ['imgvol_registry_requests_total{route="other",method="other",code="404"}', 1],
    [`imgvol_registry_request_duration_seconds_count{${blobs}}`, 3],
    [`imgvol_registry_request_duration_seconds_bucket{${blobs},le="+Inf"}`, 3],
    ["imgvol_registry_received_bytes_total", 5],
    ["imgvol_registry_requests_in_flight", 1],
    ["imgvol_registry_uploads_in_progress", 1],
    ["imgvol_registry_repositories", 1],
    ["imgvol_registry_blobs", 1],
    ["imgvol_registry_blob_bytes", 5],
  ] as const) {
    assert.equal(samples.get(name), value, name);
  }
  for (const name of [
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
  ]) {
    assert.ok((samples.get(name) ?? 0) > 0, name);
  }
  assert.match(text, /^imgvol_build_info\{version="1\.2\.3",node="[\d.]+"\} 1$/m);
  // Cumulative: no bucket has less than the one before.
  const buckets = [...samples]
    .filter(([name]) => name.includes(`_bucket{${blobs}`))
    .map(([, value]) => value);
  assert.deepEqual(
    buckets,
    [...buckets].sort((a, b) => a - b),
  );
});

test("a repository that is damaged hides no other: in the measures, in the list, for people", async () => {
  await using registry = await team();
  await push(registry.url, "whole", "layer");
  for (const [name, marker] of [
    ["broken", "{"],
    ["strange", '{"imageLayoutVersion":"9"}'],
  ] as const) {
    await mkdir(join(registry.data, name, "_layout"), { recursive: true });
    await writeFile(join(registry.data, name, "_layout", "oci-layout"), marker);
  }
  const get = async (path: string): Promise<string> => {
    const response = await fetch(registry.url + path);
    assert.equal(response.status, 200, path);
    return await response.text();
  };
  assert.equal(samplesOf(await get("/metrics")).get("imgvol_registry_repositories"), 3);
  assert.equal(await get("/v2/_catalog"), '{"repositories":["broken","strange","whole"]}');
  const list = await get("/");
  assert.equal(list.match(/cannot be read/g)?.length, 2);
  for (const name of ["broken", "strange", "whole"]) assert.match(list, new RegExp(`href="/r/${name}"`));
  assert.match(await get("/r/whole"), /<h1 class="name">whole/);
});

test("/healthz: 200, and 503 with the reason where the folder is gone; HEAD too; nothing is left behind", async () => {
  await using registry = await team();
  assert.equal(await (await fetch(`${registry.url}/healthz`)).text(), "ok\n");
  assert.equal((await fetch(`${registry.url}/healthz`, { method: "HEAD" })).status, 200);
});

test("/healthz of a registry whose folder is gone says why, and not where", async () => {
  await using registry = await team();
  await rm(registry.data, { recursive: true });
  const response = await fetch(`${registry.url}/healthz`);
  const text = await response.text();
  assert.equal(response.status, 503);
  assert.match(text, /^the folder cannot be written: ENOENT\n$/);
});

test("dispose: /healthz says 503 first, transfers end, then nobody listens", async () => {
  const registry = await startRegistry(
    { host: "127.0.0.1", port: 0, drain: 2000, grace: 10_000 },
    quietCall(),
  );
  const digest = await push(registry.url, "a", Buffer.alloc(16 * 1024 * 1024));
  const download = await fetch(`${registry.url}/v2/a/blobs/${digest}`);
  const ended = registry[Symbol.asyncDispose]();
  const health = await fetch(`${registry.url}/healthz`);
  assert.equal(health.status, 503);
  assert.equal(await health.text(), "the registry is stopping\n");
  assert.equal((await download.arrayBuffer()).byteLength, 16 * 1024 * 1024);
  await ended;
  await assert.rejects(fetch(`${registry.url}/healthz`));
});

test("dispose: what outlasts the grace is cut", async () => {
  const registry = await startRegistry({ host: "127.0.0.1", port: 0, grace: 50 }, quietCall());
  const digest = await push(registry.url, "a", Buffer.alloc(24 * 1024 * 1024));
  const download = await fetch(`${registry.url}/v2/a/blobs/${digest}`);
  await registry[Symbol.asyncDispose]();
  await assert.rejects(download.arrayBuffer());
});
