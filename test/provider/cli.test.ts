import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { parsePublish } from "../../src/cli/flag-values.ts";
import { imgvol, type Ran } from "../cli/imgvol.ts";

const home = await temporaryFolder(tmpdir(), "imgvol-provider-");
after(() => home[Symbol.asyncDispose]());

// A client may be installed here, and may even have an engine: these lead to none.
const NOWHERE = "unix:///nonexistent/engine.sock";
const env = {
  HOME: home.path,
  XDG_STATE_HOME: "",
  DOCKER_HOST: NOWHERE,
  DOCKER_CONTEXT: "",
  KIND_EXPERIMENTAL_PROVIDER: "docker",
};
const cluster = (...words: readonly string[]): Promise<Ran> => imgvol(["cluster", ...words], { env });

test("without an engine kind is refused, with what could be done instead", async () => {
  const { code, stderr, stdout } = await cluster("up", "--provider", "kind");
  assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
  assert.match(stderr, /^error: no container engine answers: docker/);
  assert.match(stderr, /\nhint: .*--provider minikube or k3d/);
});

test("a dry run prints a script that a shell can read, and says for which engine it is", async () => {
  const { code, stderr, stdout } = await cluster(
    "up",
    "--provider",
    "kind",
    "--dry-run",
    "--kubernetes",
    "1.33",
  );
  assert.equal(code, 0);
  assert.match(stderr, /these are the commands for docker/);
  assert.match(stdout, /"ImageVolume": true/);
  assert.equal(spawnSync("sh", ["-n"], { input: stdout }).status, 0);
  const json = JSON.parse(
    (await cluster("up", "--provider", "kind", "--dry-run", "--kubernetes", "1.33", "--json")).stdout,
  );
  assert.deepEqual(json, { provider: "kind", script: stdout });
});

test("open ports of a dry run are filled in, and differ", async () => {
  const ports = ["--api-port", "0", "--registry-port", "0", "--publish", "0:30080"];
  const { stdout } = await cluster("up", "--provider", "kind", "--dry-run", ...ports);
  const config = JSON.parse(/<<'EOF'\n(\{[\s\S]*?\n\})\nEOF/.exec(stdout)?.[1] ?? "");
  const [, registry] = /--publish 127\.0\.0\.1:(\d+):5000/.exec(stdout) ?? [];
  const found = [
    config.networking.apiServerPort,
    Number(registry),
    config.nodes[0].extraPortMappings[0].hostPort,
  ];
  assert.ok(found.every((port) => port > 0 && port < 65_536));
  assert.equal(new Set(found).size, 3);
});

test("a published port that is no NodePort is told: a container's port is the usual mistake", async () => {
  const up = (port: string): Promise<Ran> =>
    cluster("up", "--provider", "kind", "--dry-run", "--publish", `8080:${port}`);
  for (const port of ["30000", "32767"]) assert.doesNotMatch((await up(port)).stderr, /NodePort/);
  for (const port of ["80", "29999", "32768"]) {
    const { code, stderr } = await up(port);
    assert.equal(code, 0);
    assert.match(stderr, new RegExp(`port ${port} of the node is no NodePort, which are 30000 to 32767:`));
  }
});

for (const tool of ["minikube", "k3d"]) {
  test(`the recipe of ${tool} is a script with the gate where the version needs it`, async () => {
    const { code, stdout } = await cluster("up", "--provider", tool, "--kubernetes", "1.33");
    assert.equal(code, 0);
    assert.match(stdout, /ImageVolume=true/);
    const open = await cluster("up", "--provider", tool, "--registry-port", "0", "--dry-run");
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(open.stdout) ?? [];
    assert.ok(Number(port) > 0, open.stderr);
    const down = await cluster("down", "--provider", tool, "--name", "mine");
    assert.equal(down.code, 2);
    const [, end = ""] =
      /^# To end it: (.*)$/m.exec((await cluster("up", "--provider", tool, "--name", "mine")).stdout) ?? [];
    assert.ok(end.includes("mine-registry") && down.stderr.endsWith(`hint: ${end}\n`), down.stderr);
    assert.equal(spawnSync("sh", ["-n"], { input: stdout }).status, 0);
    assert.doesNotMatch((await cluster("up", "--provider", tool)).stdout, /ImageVolume/);
  });
}

const WRONG: Readonly<Record<string, [words: readonly string[], told: RegExp]>> = {
  "another provider": [["--provider", "swarm"], /--provider: not one of native, kind, minikube, k3d/],
  "native's flag for kind": [["--provider", "kind", "--bin", "/bin"], /--bin is for native, not for kind/],
  "kind's flag for native": [
    ["--provider", "native", "--dry-run"],
    /--dry-run is for kind, minikube, k3d, not for native/,
  ],
  "a recipe's lack": [
    ["--provider", "k3d", "--publish", "8080:30080"],
    /--publish is for native, kind, not for k3d\nhint: leave --publish out, or take --provider native or kind/,
  ],
  "a version without image volumes": [
    ["--provider", "kind", "--dry-run", "--kubernetes", "1.30"],
    /Kubernetes 1\.30 has no image volumes/,
  ],
  "a name that is none": [["--provider", "kind", "--dry-run", "--name", "../up"], /not a cluster's name/],
};

for (const [name, [words, told]] of Object.entries(WRONG)) {
  test(`refuses ${name}`, async () => {
    const { code, stderr, stdout } = await cluster("up", ...words);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
    assert.match(stderr, told);
  });
}

test("no cluster: status has none, down says so", async () => {
  const status = await cluster("status", "--json");
  assert.deepEqual(
    { code: status.code, ...JSON.parse(status.stdout) },
    { code: 0, clusters: [], damaged: [] },
  );
  const down = await cluster("down", "--provider", "kind");
  assert.deepEqual(
    { code: down.code, stdout: down.stdout },
    { code: 0, stdout: "there is no cluster imgvol\n" },
  );
});

test("status of one by its name, of all, and of those whose state cannot be read", async () => {
  const kept = join(home.path, ".local/state/imgvol");
  const spec = {
    engine: "docker",
    version: "1.36.4",
    image: "image",
    apiPort: 1,
    registryPort: 2,
    publish: [],
  };
  for (const name of ["one", "two"]) {
    await mkdir(join(kept, "kind", name), { recursive: true });
    const state = { spec: { ...spec, name }, created: "2026-01-01T00:00:00.000Z", whole: true };
    await writeFile(join(kept, "kind", name, "kind.json"), JSON.stringify(state));
  }
  try {
    const one = await cluster("status", "--name", "one", "--json");
    assert.equal(one.code, 1);
    const { clusters, damaged } = JSON.parse(one.stdout);
    assert.deepEqual(damaged, []);
    assert.deepEqual(clusters, [
      {
        provider: "kind",
        name: "one",
        engine: "docker",
        kubernetes: "1.36.4",
        image: "image",
        containerd: "",
        kubeconfig: join(kept, "kind/one/kubeconfig"),
        registry: "localhost:2",
        ports: [
          { host: 1, node: 6443, what: "api" },
          { host: 2, node: 2, what: "registry" },
        ],
        created: "2026-01-01T00:00:00.000Z",
        state: "over",
      },
    ]);
    assert.match((await cluster("status")).stdout, /^NAME .*\none +kind +over .*\ntwo +kind +over /);
    const three = await cluster("status", "--name", "three");
    assert.deepEqual([three.code, three.stdout], [1, "there is no cluster three\n"]);
    assert.equal((await cluster("status", "--name", "../x")).code, 2);

    await writeFile(join(kept, "kind/two/kind.json"), "{");
    const all = await cluster("status", "--quiet", "--json");
    const answer = JSON.parse(all.stdout);
    assert.deepEqual([all.code, answer.clusters.length, answer.damaged.length], [1, 1, 1]);
    assert.match(all.stderr, /^error: .*two\/kind\.json cannot be read\nhint: see what of it is there/);
    const two = await cluster("status", "--name", "two");
    assert.equal(two.code, 3);
    assert.match(two.stderr, /cannot be read/);
    await rm(join(kept, "kind/one"), { recursive: true });
    const none = await cluster("status");
    assert.deepEqual([none.code, none.stdout], [1, ""]);
  } finally {
    await rm(kept, { recursive: true });
  }
});

test("a port and a node port", () => {
  assert.deepEqual(parsePublish("18888:31888", "--publish"), { host: 18_888, node: 31_888 });
  assert.deepEqual(parsePublish("0:1", "--publish"), { host: 0, node: 1 });
  for (const text of ["", "1", "1:", ":1", "1:2:3", "a:b", "65536:1", "1:65536", "-1:2", " 1:2", "1:0"]) {
    assert.throws(() => parsePublish(text, "--publish"), { code: "flag-invalid" }, text);
  }
});
