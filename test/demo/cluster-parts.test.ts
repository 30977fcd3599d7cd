import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { DemoError } from "../../src/demo/errors.ts";
import { demoManifest } from "../../src/demo/manifest.ts";
import { pullFailed } from "../../src/demo/pull-failure.ts";
import { parseDigest } from "../../src/oci/index.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/spring-kubernetes");
const REGISTRY = "localhost:40001";
const agent = {
  reference: `${REGISTRY}/otel-java:2.33.1`,
  digest: parseDigest(`sha256:${"0".repeat(64)}`),
};

test("the example's manifests are deployed with the demo's registry alone, and the agent by its digest", async () => {
  for (const [file, images] of [
    ["dashboard.yaml", ["/imgvol-dashboard:1"]],
    ["hello.yaml", ["/hello-spring:1", `/otel-java:2.33.1@${agent.digest}`]],
  ] as const) {
    const made = demoManifest(await readFile(join(EXAMPLE, file), "utf8"), file, REGISTRY, agent);
    for (const image of images) assert.ok(made.includes(`: ${REGISTRY}${image}\n`), made);
    assert.equal(made.includes(":5001"), false);
  }
});

for (const [how, text, told] of [
  [
    "of another registry",
    'image: "localhost:5002/app:1"',
    /hello\.yaml names localhost:5002\/app:1, not one of/,
  ],
  ["that is none", "kind: Pod", /hello\.yaml names no image/],
] as const) {
  test(`a manifest with an image ${how} is not deployed`, () => {
    const make = (): string => demoManifest(`${text}\n`, "hello.yaml", REGISTRY, agent);
    assert.throws(make, (error: unknown) => error instanceof DemoError && told.test(error.message));
  });
}

test("an image that cannot be pulled is waited for no longer than it may come yet", async () => {
  const waiting = (reason: string): unknown => ({
    items: [
      { status: { containerStatuses: [{ state: { running: {} } }] } },
      {
        status: {
          containerStatuses: [
            { image: "a/b:1", state: { waiting: { reason, message: `${reason} of a/b:1` } } },
          ],
        },
      },
    ],
  });
  const looks = ["ContainerCreating", "ErrImagePull", "ImagePullBackOff"].map(waiting);
  const look = async (): Promise<unknown> => looks.shift() ?? {};
  assert.equal(await pullFailed(look, quietCall(), 0), "ErrImagePull: ErrImagePull of a/b:1");
  const ended = new AbortController();
  const gone = pullFailed(async () => {
    if (looks.length === 0) ended.abort();
    return looks.shift() ?? {};
  }, quietCall(ended.signal));
  await assert.rejects(gone, { name: "AbortError" });
});
