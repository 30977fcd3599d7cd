import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect as http2 } from "node:http2";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BaseError, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { type Dashboard, startDashboard } from "../../src/telemetry/index.ts";
import { SIGNALS } from "../../src/telemetry/signals.ts";
import { bytes, grpcSender, logs, span, spanId, T0, traceId, traces } from "./sender.ts";

const PORTS = { otlpGrpcPort: 0, otlpHttpPort: 0, uiPort: 0 };
const VOLUME = {
  "imgvol.volume.reference": "registry.example/agent:1",
  "imgvol.volume.digest": `sha256:${"a".repeat(64)}`,
};

const portOf = (url: string): number => Number(new URL(url).port);

async function get(dashboard: Dashboard, path: string): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${dashboard.token}` };
  const response = await fetch(`${dashboard.origin}${path}`, { headers });
  return { status: response.status, body: await response.json() };
}

async function send(dashboard: Dashboard, signal: string, body: Uint8Array): Promise<Response> {
  const headers = { "content-type": "application/x-protobuf" };
  return fetch(`${dashboard.otlpHttp.endpoint}/v1/${signal}`, {
    method: "POST",
    headers,
    body: new Uint8Array(body),
  });
}

test("what arrives at both ports is in the API: services, traces, a trace with its logs, metrics, stats", async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  assert.deepEqual([dashboard.otlpGrpc.protocol, dashboard.otlpHttp.protocol], ["grpc", "http/protobuf"]);
  await using sender = grpcSender(portOf(dashboard.otlpGrpc.endpoint));
  await sender.send(SIGNALS[0]?.method ?? "", traces("shop", [span(1, 1), span(1, 2, 1)], VOLUME));
  const inside = {
    timeUnixNano: T0,
    traceId: bytes(traceId(1)),
    spanId: bytes(spanId(2)),
    body: { value: { case: "stringValue" as const, value: "inside" } },
  };
  const loose = {
    ...inside,
    spanId: bytes(spanId(77)),
    body: { value: { case: "stringValue" as const, value: "loose" } },
  };
  assert.equal((await send(dashboard, "logs", logs("shop", [inside, loose]))).status, 200);

  const services = (await get(dashboard, "/api/services")).body as {
    name: string;
    spans: number;
    logs: number;
  }[];
  assert.deepEqual(
    services.map((s) => [s.name, s.spans, s.logs]),
    [["shop", 2, 2]],
  );
  const list = (await get(dashboard, `/api/traces?service=shop&limit=5&since=${T0}`)).body as Record<
    string,
    unknown
  >[];
  assert.deepEqual(
    list.map((t) => [t["traceId"], t["start"], t["sources"]]),
    [
      [
        traceId(1),
        String(T0 + 1000n),
        [
          {
            service: "shop",
            volume: { reference: VOLUME["imgvol.volume.reference"], digest: VOLUME["imgvol.volume.digest"] },
          },
        ],
      ],
    ],
  );
  const one = (await get(dashboard, `/api/traces/${traceId(1)}`)).body as {
    rows: { depth: number; span: { name: string }; logs: { body: string }[] }[];
    logs: { body: string }[];
  };
  assert.deepEqual(
    one.rows.map((r) => [r.depth, r.span.name, r.logs.map((l) => l.body)]),
    [
      [0, "span 1", []],
      [1, "span 2", ["inside"]],
    ],
  );
  assert.deepEqual(
    one.logs.map((l) => l.body),
    ["loose"],
  );
  assert.equal(((await get(dashboard, "/api/logs?severity=0")).body as unknown[]).length, 2);
  assert.deepEqual((await get(dashboard, "/api/metrics")).body, []);
  assert.deepEqual((await get(dashboard, "/api/points?name=x")).body, []);
  assert.equal(((await get(dashboard, "/api/stats")).body as { spans: number }).spans, 2);
  assert.deepEqual((await get(dashboard, "/api/info")).body, {
    endpoints: { grpc: dashboard.otlpGrpc.endpoint, http: dashboard.otlpHttp.endpoint },
  });
});

test("wrong questions are answered with a code and a status", async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  const cases: [string, number, string][] = [
    ["/api/traces/nonsense", 400, "query-invalid"],
    [`/api/traces/${traceId(404)}`, 404, "not-found"],
    ["/api/traces?limit=many", 400, "query-invalid"],
    ["/api/traces?since=-1", 400, "query-invalid"],
    ["/api/traces?until=99999999999999999999", 400, "query-invalid"],
    ["/api/nothing", 404, "not-found"],
    ["/etc/passwd", 404, "not-found"],
  ];
  for (const [path, status, code] of cases) {
    const answer = await get(dashboard, path);
    assert.equal(answer.status, status, path);
    assert.equal((answer.body as { error: { code: string } }).error.code, code, path);
  }
  assert.deepEqual(await get(dashboard, "/api/traces?until=9999999999999999999"), { status: 200, body: [] });
});

test("the printed URL leads in; without its token there is nothing but the way to it", async () => {
  await using dashboard = await startDashboard({ ...PORTS, token: "s3cret ;token" }, quietCall());
  const { origin } = dashboard;
  for (const [path, headers] of [
    ["/", {}],
    ["/page.mjs", {}],
    ["/api/services", {}],
    ["/api/services", { authorization: "Bearer wrong" }],
    ["/api/services", { cookie: `imgvol-dashboard-${portOf(origin)}=wrong; other=1` }],
    ["/login?t=wrong", {}],
    ["/login", {}],
  ] as const) {
    const refused = await fetch(`${origin}${path}`, { headers });
    assert.equal(refused.status, 401, path);
    assert.equal(refused.headers.get("set-cookie"), null, path);
  }
  const login = await fetch(dashboard.url, { redirect: "manual" });
  assert.equal(login.status, 200);
  const cookie = login.headers.get("set-cookie") ?? "";
  assert.match(cookie, /; Path=\/; HttpOnly; SameSite=Strict$/);
  const page = await fetch(origin, { headers: { cookie: cookie.split(";")[0] ?? "" } });
  assert.equal(page.status, 200);
  const policy = page.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  const html = await page.text();
  // The policy forbids what is inline, so that the page may have none.
  assert.doesNotMatch(html, /<style|style="|<script(?![^>]*src=)|\son\w+=/);
  for (const [, link] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
    const asset = await fetch(`${origin}${link}`, {
      headers: { authorization: `Bearer ${dashboard.token}` },
    });
    assert.equal(asset.status, link?.startsWith("/page") || link === "/icon.svg" ? 200 : 0, link);
  }
});

test("a rebound name and a foreign page are refused, also at the OTLP port", async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  for (const url of [dashboard.origin, dashboard.otlpHttp.endpoint]) {
    for (const [headers, status] of [
      [{ host: "evil.example" }, 421],
      [{ origin: "https://evil.example" }, 403],
      [{ "sec-fetch-site": "same-site" }, 403],
    ] as const) {
      const request = httpRequest(`${url}/v1/traces`, { method: "POST", headers });
      request.end();
      const [response] = await once(request, "response");
      response.resume();
      assert.equal(response.statusCode, status, `${url} ${Object.keys(headers)}`);
    }
  }
});

test("events tell of what was stored, and end with the dashboard", async () => {
  const dashboard = await startDashboard(PORTS, quietCall());
  const response = await fetch(`${dashboard.origin}/api/events`, {
    headers: { authorization: `Bearer ${dashboard.token}` },
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.ok(response.body);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader.read()).value ?? "", /event: stored/);
  assert.equal((await send(dashboard, "traces", traces("a", [span(1, 1)]))).status, 200);
  assert.match((await reader.read()).value ?? "", /event: stored/);
  await dashboard[Symbol.asyncDispose]();
  assert.equal((await reader.read()).done, true);
});

test("gRPC on the HTTP port comes to a clear end", async () => {
  await using dashboard = await startDashboard(PORTS, quietCall());
  const session = http2(dashboard.otlpHttp.endpoint);
  session.on("error", () => {});
  session
    .request({ ":method": "POST", ":path": SIGNALS[0]?.method })
    .on("error", () => {})
    .end();
  await new Promise<void>((resolve) => session.on("close", resolve));
  assert.equal((await send(dashboard, "traces", traces("a", [span(1, 1)]))).status, 200);
});

test("where one port is in use nothing stays open, and the flag to change it is named", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const taken = typeof address === "object" && address !== null ? address.port : 0;
  for (const [ports, flag] of [
    [{ ...PORTS, otlpGrpcPort: taken }, "--otlp-grpc-port"],
    [{ ...PORTS, otlpHttpPort: taken }, "--otlp-http-port"],
    [{ ...PORTS, uiPort: taken }, "--ui-port"],
  ] as const) {
    await using folder = await temporaryFolder(tmpdir());
    const db = join(folder.path, "t.db");
    await assert.rejects(startDashboard({ ...ports, db }, quietCall()), (error: unknown) => {
      return error instanceof BaseError && error.code === "port-in-use" && (error.hint ?? "").includes(flag);
    });
    // The database is free again: its lock went with the failed start.
    await using dashboard = await startDashboard({ ...PORTS, db }, quietCall());
    assert.ok(dashboard.url.startsWith("http://127.0.0.1:"));
  }
  other.close();
});

test("a call that is cancelled opens nothing", async () => {
  await assert.rejects(startDashboard(PORTS, quietCall(AbortSignal.abort())), { name: "AbortError" });
});
