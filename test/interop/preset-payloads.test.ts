// The real payloads, from their real homes. The digests of the jars' layers are those that GNU tar's bytes have too:
// tar c --format=ustar -b1 --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 opentelemetry-javaagent.jar
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { collect, type HttpRequest, type HttpResponse, quietCall, serve } from "../../src/base/index.ts";
import { fetchNpmPackages, presetSource } from "../../src/pack/index.ts";
import { findLayout, findPreset, switchOn } from "../../src/preset/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { writeLayer } from "../../src/tree/index.ts";

const folder = mkdtempSync(join(tmpdir(), "payloads-"));
after(() => rmSync(folder, { recursive: true }));
const cache = join(folder, "cache");

const LAYERS = [
  ["otel-java", "2.15.0", "sha256:61193e85006389f451ea91e6dbcceb45776b3e485997a32e4da8ba876898acba"],
  ["otel-java", "2.33.1", "sha256:91d1ad45f7c611af3b822a103dc996c34eb40a2f200ef917d85ad163386cc53a"],
  ["otel-node", "0.82.0", "sha256:7ca2408b06fe7980c8812545a34898eed7dc4b2206ad8282ebb6de428fc458a3"],
] as const;

for (const [name, version, diffId] of LAYERS) {
  test(`${name} ${version} makes the layer ${diffId.slice(0, 19)}`, async () => {
    await using source = await presetSource(name, version, { cache }, quietCall());
    const layer = await writeLayer(memoryStore(), source.tree, { compression: "none" }, quietCall());
    assert.equal(layer.diffId, diffId);
    assert.deepEqual(layer.told, []);
  });
}

const EXAMPLE = new URL("../../examples/node/", import.meta.url);

/** Writes the payload's files; gives their paths. */
async function place(mount: string): Promise<ReadonlySet<string>> {
  const paths = new Set<string>();
  await using source = await presetSource("otel-node", undefined, { cache }, quietCall());
  for await (const entry of source.tree(quietCall())) {
    if (entry.type !== "file") continue;
    paths.add(entry.path);
    await mkdir(dirname(join(mount, entry.path)), { recursive: true });
    const body = await collect(entry.body.open(0, quietCall()), 1 << 26, entry.path);
    await writeFile(join(mount, entry.path), body);
  }
  return paths;
}

/** Starts an app that prints its address, greets it, and ends it when `arrived` is. */
async function greet(file: string, env: Record<string, string>, arrived: Promise<unknown>): Promise<void> {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    const [line] = await once(child.stdout, "data");
    const answer = await fetch(`${String(line).trim().split(" ").at(-1)}/hello/world`);
    assert.equal(await answer.text(), "Hello, world!\n");
    await arrived;
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

test("otel-node switches on Express in CommonJS and in ES modules", { timeout: 120_000 }, async () => {
  const [mount, app] = [join(folder, "mount"), join(folder, "app")];
  const paths = await place(mount);
  await cp(EXAMPLE, app, { recursive: true, filter: (path) => !path.includes("node_modules") });
  const lock = readFileSync(new URL("package-lock.json", EXAMPLE), "utf8");
  await fetchNpmPackages(lock, app, { cache }, quietCall());

  const preset = findPreset("otel-node");
  const layout = await findLayout(preset, (path) => paths.has(path));
  for (const file of ["cjs/app.cjs", "esm/app.mjs"]) {
    const received = new EventEmitter();
    const receive = async (request: HttpRequest): Promise<HttpResponse> => {
      await collect(request.body, 1 << 24, request.path);
      received.emit(request.path);
      return { status: 200, headers: { "content-type": "application/x-protobuf" } };
    };
    const traces = once(received, "/v1/traces");
    await using collector = await serve(receive, { host: "127.0.0.1", port: 0 });
    const env = [
      { name: "PORT", value: "0" },
      { name: "OTEL_BSP_SCHEDULE_DELAY", value: "100" },
    ];
    const container = { env, imageEnv: new Map(), expansion: "none" } as const;
    const on = switchOn(preset, layout, container, { mountPath: mount, otlp: { http: collector.url } });
    assert.ok("env" in on);
    await greet(join(app, file), Object.fromEntries(on.env.map((v) => [v.name, v.value ?? ""])), traces);
  }
});
