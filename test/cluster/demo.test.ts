import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { HERE } from "./cluster.ts";
import { programs } from "./programs.ts";

interface Answer {
  readonly app: string;
  readonly volume: { readonly reference: string; readonly digest: string };
  readonly services: readonly {
    readonly name: string;
    readonly requests: number;
    readonly metrics: readonly string[];
    readonly logsInTraces: number;
  }[];
  readonly traces: readonly {
    readonly sources: readonly unknown[];
    readonly spans: readonly { readonly name: string }[];
  }[];
}

test("demo spring --cluster: spans of the pod, with the volume that its agent came from", async (t) => {
  const words = [
    "demo",
    "spring",
    "--cluster",
    "--once",
    "--json",
    ...(programs.bin ? ["--bin", programs.bin] : []),
  ];
  const began = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [join(HERE, "bin/imgvol.cjs"), ...words], {
    maxBuffer: 1 << 26,
  });
  t.diagnostic(`${Math.round((performance.now() - began) / 1000)} s`);
  const { app, volume, services, traces }: Answer = JSON.parse(stdout);
  assert.equal(app, "spring");
  assert.match(volume.reference, /^localhost:\d+\/otel-java:\d/);
  const [service] = services;
  assert.equal(service?.name, "hello-spring");
  assert.equal(service.requests, 3);
  assert.ok(service.metrics.includes("jvm.class.loaded"));
  assert.ok(service.logsInTraces >= 3);
  assert.deepEqual(traces[0]?.sources, [{ service: "hello-spring", volume }]);
  assert.equal(traces[0]?.spans[0]?.name, "GET /hello/{name}");
});
