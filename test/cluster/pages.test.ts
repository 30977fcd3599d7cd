import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { quietCall, runProgram } from "../../src/base/index.ts";
import { HERE, TestCluster } from "./cluster.ts";
import { openPlace } from "./typed.ts";

// What the pages about clusters show is typed as it stands, from top to bottom; and the API server takes the examples' files.

/** Asks the dashboard's API, by the token in its log, until every service has spans. */
const SPANS_OF = (services: readonly string[]): string => `
token=$(kubectl -n dashboard logs deployment/dashboard | sed -n 's/.*login?t=//p')
for service in ${services.join(" ")}; do
  tries=0
  until curl -s -H "Authorization: Bearer $token" "http://localhost:18888/api/traces?service=$service" | grep -q traceId; do
    tries=$((tries + 1))
    if [ $tries -gt 120 ]; then echo "no trace of $service"; exit 1; fi
    sleep 0.5
  done
done
curl -s -H "Authorization: Bearer $token" http://localhost:18888/api/services
`;

test("the walk-through, from nothing to spans, to another agent, and back to nothing", async () => {
  await using place = await openPlace();
  const { stdout } = await place.type(["docs/walkthrough.md"], "imgvol cluster status --json");
  assert.match(stdout, /imgvol-node +Ready/);
  assert.match(stdout, /opentelemetry-javaagent\.jar/);
  assert.match(stdout, /Successfully pulled image "localhost:\d+\/otel-java:2\.33\.1@sha256:/);
  assert.match(stdout, /Hello, world!\nHello, moon!\nHello, mars!/);
  assert.match(stdout, /http:\/\/127\.0\.0\.1:18888\/login\?t=\S+/);
  assert.match(stdout, /rolled back/);
  assert.match(stdout, /"clusters": \[\]/);
});

test("the examples for Node.js and Python, from their images to their spans", async () => {
  await using place = await openPlace();
  const pages = ["README.md", "images/README.md", "node-kubernetes/README.md", "python-kubernetes/README.md"];
  const services = ["hello-node", "hello-python"];
  const { stdout } = await place.type(
    pages.map((page) => `examples/${page}`),
    SPANS_OF(services),
  );
  assert.equal(stdout.split("Hello, pod!").length, 3, stdout);
  const found = JSON.parse(stdout.slice(stdout.lastIndexOf('[{"name"')));
  assert.deepEqual(
    found.map(({ name, volumes }: Found) => [name, ...volumes.map((v) => v.reference.replace(/^.*\//, ""))]),
    [
      ["hello-node", "otel-node:0.82.0"],
      ["hello-python", "otel-python:1"],
    ],
  );
});

test("the silent drop, as the page about volumes by hand shows it", async () => {
  await using place = await openPlace();
  const { stdout } = await place.type(["docs/by-hand.md"], "");
  assert.match(stdout, /value: -javaagent:\/mnt\/otel-java\//);
  assert.match(stdout, /volumes:\n +- emptyDir: \{\}\n +name: tmp\n/);
  assert.doesNotMatch(stdout, /name: otel-java|reference: /);
});

interface Found {
  readonly name: string;
  readonly volumes: readonly { readonly reference: string }[];
}

test("the API server takes every file of the examples, and has nothing to remark", async (t) => {
  await using cluster = await TestCluster.start();
  const { kubectl, kubeconfig } = cluster.cluster;
  const files = globSync("examples/**/*.yaml", { cwd: HERE }).toSorted();
  assert.ok(files.length >= 5, files.join());
  for (const file of files) {
    await t.test(file, async () => {
      // A dry run makes no namespace for what follows in the file.
      const text = await readFile(join(HERE, file), "utf8");
      for (const [, name = ""] of text.matchAll(/kind: Namespace\nmetadata:\n {2}name: (\S+)/g)) {
        const labels = { "pod-security.kubernetes.io/warn": "restricted" };
        await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
      }
      const place = ["--kubeconfig", kubeconfig, "--cache-dir", join(dirname(kubeconfig), "kubectl-cache")];
      const words = [...place, "apply", "--dry-run=server", "-f", join(HERE, file)];
      const ran = await runProgram(kubectl, words, {}, quietCall());
      assert.deepEqual({ code: ran.code, stderr: ran.stderr }, { code: 0, stderr: "" });
      assert.match(ran.stdout, /deployment\.apps\/\S+ created \(server dry run\)/);
    });
  }
});
