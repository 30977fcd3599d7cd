import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";
import { temporaryFolder } from "../../src/base/index.ts";
import { start } from "../cli/imgvol.ts";
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

const words = ["demo", "spring", "--cluster", "--json", ...(programs.bin ? ["--bin", programs.bin] : [])];

test("demo spring --cluster: spans of the pod, with the volume that its agent came from", async (t) => {
  const began = performance.now();
  await using place = await temporaryFolder(tmpdir(), "imgvol-demo-typed-");
  const child = start(words, { env: { XDG_STATE_HOME: join(place.path, "state") } });
  const [said, shown] = [child.stderr, child.stdout].map((stream) => textOf(stream));
  const over = once(child, "exit");
  try {
    // Two pipes: what was written first need not be read first.
    const answered = Promise.all([said?.until(/stop it all with Ctrl-C/), shown?.until(/^\}\n$/m)]);
    await Promise.race([answered, over]);
    t.diagnostic(`${Math.round((performance.now() - began) / 1000)} s`);
    assert.equal(child.exitCode, null, said?.text());
    check(JSON.parse(shown?.text() ?? ""));
    await typeAgain(said?.text() ?? "", place.path);
  } finally {
    child.kill("SIGINT");
    await over;
  }
  assert.equal(child.exitCode, 0, said?.text());
});

function check({ app, volume, services, traces }: Answer): void {
  assert.equal(app, "spring");
  assert.match(volume.reference, /^localhost:\d+\/otel-java:\d/);
  const [service] = services;
  assert.equal(service?.name, "hello-spring");
  assert.equal(service.requests, 3);
  assert.ok(service.metrics.includes("jvm.class.loaded"));
  assert.ok(service.logsInTraces >= 3);
  assert.deepEqual(traces[0]?.sources, [{ service: "hello-spring", volume }]);
  assert.equal(traces[0]?.spans[0]?.name, "GET /hello/{name}");
}

/** What may be done but once, needs a network, or takes long for nothing new. */
const ONCE = /^(?:cp |mvn |\S*jlink |npm |imgvol cluster up |kubectl (?:create|-n \S+ create) )/;

/** The commands that the demo printed are such as a user can type: the same images come of them, and nothing changes. */
async function typeAgain(said: string, folder: string): Promise<void> {
  const commands = [...said.matchAll(/^\$ (.*)$/gm)].map(([, command = ""]) => command);
  assert.ok(commands.length > 15, said);
  const lines = commands.filter((command) => !ONCE.test(command) && !command.includes("node_modules"));
  const imgvol = `#!/bin/sh\nexec '${process.execPath}' '${join(HERE, "src/cli/main.ts")}' "$@"\n`;
  await writeFile(join(folder, "imgvol"), imgvol, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${folder}${delimiter}${process.env["PATH"]}`,
    KUBECACHEDIR: join(folder, "kubectl-cache"),
  };
  const { stdout } = await promisify(execFile)("sh", ["-euc", lines.join("\n")], { env, cwd: folder });
  // As the demo noted them.
  const images = [...said.matchAll(/^ {2}localhost:\d+\/((?:otel-java|hello-spring)):\S+(@sha256:\S+)$/gm)];
  assert.equal(images.length, 2);
  for (const [, name = "", digest = ""] of images) assert.ok(stdout.includes(`/${name}${digest}\n`), stdout);
  assert.match(stdout, /deployment\.apps\/hello-spring unchanged/);
  assert.match(stdout, /Hello, world!\nHello, pod!\nHello, volume!\n/);
}

interface Heard {
  text(): string;
  until(what: RegExp): Promise<void>;
}

function textOf(stream: Readable | null): Heard {
  let text = "";
  stream?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return {
    text: () => text,
    async until(what) {
      while (stream !== null && !what.test(text)) await once(stream, "data");
    },
  };
}
