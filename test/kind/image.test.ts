import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError } from "../../src/cluster/index.ts";
import { imageVolumeGate, kubernetesVersion, lackOf } from "../../src/kind/image.ts";

const unsupported = (error: unknown): boolean =>
  error instanceof ClusterError && error.code === "version-unsupported" && error.hint !== undefined;

const KNOWN = [
  ["1.37", "1.37.0"],
  ["1.36", "1.36.4"],
  ["v1.35", "1.35.8"],
  ["1.34", "1.34.11"],
  ["1.33", "1.33.12"],
  ["1.32", "1.32.11"],
  ["1.31", "1.31.14"],
  ["v1.36.4", "1.36.4"],
] as const;

for (const [asked, version] of KNOWN) {
  test(`Kubernetes ${asked} is ${version}, by digest`, () => {
    const found = kubernetesVersion(asked);
    assert.equal(found.version, version);
    assert.match(
      found.image ?? "",
      new RegExp(`^kindest/node:v${version.replaceAll(".", "\\.")}@sha256:[0-9a-f]{64}$`),
    );
  });
}

test("a patch that has no known image is taken by its tag, a minor that has none is not guessed", () => {
  assert.equal(kubernetesVersion("1.34.2").image, "kindest/node:v1.34.2");
  assert.equal(kubernetesVersion("1.99").image, undefined);
});

for (const text of ["", "1", "2.1", "1.36.4.1", "1.30", "1.30.13", "latest", "1.36-rc.1"]) {
  test(`refuses Kubernetes ${JSON.stringify(text)}`, () => {
    assert.throws(() => kubernetesVersion(text), unsupported);
  });
}

// on: what is set where image volumes are wanted; off: where they are not.
const GATES = [
  ["1.31", true, false],
  ["1.33", true, false],
  ["1.34", true, false],
  ["1.35", undefined, false],
  ["1.36", undefined, unsupported],
  ["1.37", undefined, unsupported],
] as const;

for (const [text, on, off] of GATES) {
  test(`the gate of ${text}`, () => {
    const version = kubernetesVersion(text);
    assert.equal(imageVolumeGate(version, false), on);
    if (typeof off === "function") assert.throws(() => imageVolumeGate(version, true), off);
    else assert.equal(imageVolumeGate(version, true), off);
  });
}

const CONTAINERDS = [
  ["1.7.28", /mounts no image volumes/],
  ["2.0.5", /mounts no image volumes/],
  ["2.1.4", /whole image where a subPath/],
  ["2.2.0", undefined],
  ["2.10.0-rc.1", undefined],
  ["3.0.0", undefined],
  ["", undefined],
] as const;

for (const [version, lack] of CONTAINERDS) {
  test(`what containerd ${JSON.stringify(version)} lacks`, () => {
    const said = lackOf(version);
    if (lack === undefined) assert.equal(said, undefined);
    else assert.match(said ?? "", lack);
  });
}
