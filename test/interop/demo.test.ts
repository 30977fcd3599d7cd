import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ended, type Ran, start } from "../cli/imgvol.ts";

// The demo as a user runs it: from the agents' real homes, with real apps. Needs the network, a JDK and Maven.

let home = "";
let tmp = "";

before(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), "imgvol-interop-demo-")));
  tmp = await mkdtemp(join(home, "tmp-"));
});

after(() => rm(home, { recursive: true, force: true }));

/** Everything that a demo of ours puts anywhere bears the name of its own temporary folder. */
const env = (): Record<string, string> => ({
  TMPDIR: tmp,
  IMGVOL_CACHE: join(home, "cache"),
  // What a user may have set for themselves is not for the demo's app.
  OTEL_SERVICE_NAME: "somebody-else",
  OTEL_SDK_DISABLED: "true",
});

function ours(): string[] {
  const found = readdirSync(tmp).map((name) => join(tmp, name));
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    if (line.includes(home)) found.push(`mount ${line}`);
  }
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const words = ["cmdline", "environ"].map((file) => processFile(pid, file));
    if (words.some((text) => text.includes(home))) found.push(`process ${pid}: ${words[0]}`);
  }
  return found;
}

/** Empty for a process that has ended, or is another user's. */
function processFile(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

const DIGEST = "@sha256:[0-9a-f]{64}";

async function once(app: string): Promise<Ran> {
  const ran = await ended(start(["demo", app, "--once"], { env: env(), cwd: home }));
  assert.equal(ran.code, 0, ran.stderr);
  for (const verb of ["registry serve", "pack preset:", "copy oci:", "dashboard", "run -p"]) {
    assert.match(ran.stderr, new RegExp(`^\\$ .*imgvol ${verb}`, "m"));
  }
  assert.match(ran.stderr, /^\$ curl http:\/\/127\.0\.0\.1:\d+\/hello\/world\n {2}Hello, world!$/m);
  assert.deepEqual(ours(), []);
  return ran;
}

test("demo node: both apps' spans, with the volume that their agent came from", async () => {
  const { stdout } = await once("node");
  for (const service of ["hello-cjs", "hello-esm"]) {
    const from = `^  ${service} ← 127\\.0\\.0\\.1:\\d+/otel-node:[\\d.]+${DIGEST}$`;
    assert.match(stdout, new RegExp(from, "m"));
    assert.match(stdout, new RegExp(`^└─ GET /hello/:name +${service} `, "m"));
    assert.match(stdout, new RegExp(`^${service} .*[1-9]\\d* spans .*nodejs\\.`, "m"));
  }
});

test("demo spring: Tomcat's spans, the JVM's metrics, logs with trace ids", async () => {
  const { stdout } = await once("spring");
  assert.match(stdout, new RegExp(`^  hello-spring ← 127\\.0\\.0\\.1:\\d+/otel-java:[\\d.]+${DIGEST}$`, "m"));
  assert.match(stdout, /^└─ GET \/hello\/\{name\} +hello-spring .*\n {3,}· INFO saying hello to volume$/m);
  assert.match(stdout, /^hello-spring .*jvm\..* logs, ([3-9]|\d\d+) with trace ids$/m);
});

test("with --json the answer is one document", async () => {
  const ran = await ended(start(["demo", "node", "--once", "--json", "--quiet"], { env: env(), cwd: home }));
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, "");
  const answer = JSON.parse(ran.stdout);
  assert.equal(answer.app, "node");
  assert.match(answer.volume.digest, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(
    answer.services.map((s: { name: string }) => s.name),
    ["hello-cjs", "hello-esm"],
  );
  for (const trace of answer.traces) {
    assert.equal(trace.spans[0].name, "GET /hello/:name");
    assert.equal(trace.spans[0].kind, "server");
    assert.deepEqual(trace.sources[0].volume, answer.volume);
  }
});

for (const [app, when, code] of [
  ["node", /npm packages/, 130],
  ["node", /hello-cjs gets the volume/, 130],
  ["node", /curl/, 130],
  ["node", /stop it all with Ctrl-C/, 0],
  ["spring", /\$ mvn /, 130],
  ["spring", /hello-spring gets the volume/, 130],
  ["spring", /stop it all with Ctrl-C/, 0],
] as const) {
  test(`demo ${app}: Ctrl-C at ${when} leaves no process, mount, port or file`, async () => {
    const child = start(["demo", app], { env: env(), cwd: home });
    let said = "";
    let at: readonly string[] = [];
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (at.length > 0 || !when.test(said)) return;
      at = ours();
      child.kill("SIGINT");
    });
    const ran = await ended(child);
    assert.equal(ran.code, code, ran.stderr);
    assert.ok(
      at.some((line) => line.includes("process")),
      "it was there to be interrupted",
    );
    assert.deepEqual(ours(), []);
    for (const [url] of said.matchAll(/http:\/\/127\.0\.0\.1:\d+/g))
      assert.equal(await accepts(url), false, url);
    assert.ok(existsSync(join(home, "cache")), "what was downloaded stays for the next time");
  });
}
