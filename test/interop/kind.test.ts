// What `cluster up --provider kind` writes for kind is judged by kind's own parser, its checks, and its config of kubeadm.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type KindSpec, kindConfig } from "../../src/kind/files.ts";
import { imageVolumeGate, kubernetesVersion } from "../../src/kind/image.ts";
import { readKindConfig } from "../peers/kind.ts";

function spec(kubernetes: string, gateOff = false): KindSpec {
  const known = kubernetesVersion(kubernetes);
  const gate = imageVolumeGate(known, gateOff);
  return {
    name: "imgvol",
    engine: "docker",
    version: known.version,
    image: known.image ?? "",
    ...(gate === undefined ? {} : { gate }),
    apiPort: 6443,
    registryPort: 5001,
    publish: [{ host: 18_888, node: 31_888 }],
  };
}

// Lines of the API server's and the controller manager's flags, and of kubelet's and kube-proxy's configs.
const VERSIONS: readonly [kubernetes: string, gateOff: boolean, gate: boolean | undefined][] = [
  ["1.31", false, true],
  ["1.33", false, true],
  ["1.34", false, true],
  ["1.34", true, false],
  ["1.35", false, undefined],
  ["1.35", true, false],
  ["1.36", false, undefined],
  ["1.37", false, undefined],
];

for (const [kubernetes, gateOff, gate] of VERSIONS) {
  test(`kind reads the config of ${kubernetes}${gateOff ? " with the gate off" : ""} as it is meant`, async () => {
    const wanted = spec(kubernetes, gateOff);
    const read = await readKindConfig(kindConfig(wanted), wanted.version);
    assert.deepEqual(read.nodes, [
      {
        role: "control-plane",
        image: wanted.image,
        ports: [{ container: 31_888, host: 18_888, address: "127.0.0.1" }],
      },
    ]);
    assert.deepEqual([read.name, read.apiPort, read.address], ["imgvol", 6443, "127.0.0.1"]);
    if (gate === undefined) assert.deepEqual(read.gates, []);
    else {
      assert.ok(read.gates.length >= 3, "the gate of the API server, of the kubelet and of others");
      for (const line of read.gates) assert.match(line, new RegExp(`ImageVolume"?[=:] ?${gate}`));
    }
  });
}

test("the image of kind's own default version is the one that we have for it", async () => {
  const read = await readKindConfig(kindConfig(spec("1.37")), "1.37.0");
  assert.equal(kubernetesVersion("1.37").image, read.default);
});

const WRONG: Readonly<Record<string, [change: (config: Record<string, unknown>) => void, told: RegExp]>> = {
  "a key that there is not": [(c) => Object.assign(c, { featureGate: {} }), /featureGate not found/],
  "another version": [(c) => Object.assign(c, { apiVersion: "kind.x-k8s.io/v1" }), /unknown apiVersion/],
  "a port that is none": [
    (c) => Object.assign(c, { networking: { apiServerPort: 70_000 } }),
    /invalid apiServerPort/,
  ],
};

for (const [name, [change, told]] of Object.entries(WRONG)) {
  test(`kind refuses ${name}: it can tell`, async () => {
    const config = JSON.parse(kindConfig(spec("1.36")));
    change(config);
    await assert.rejects(readKindConfig(JSON.stringify(config), "1.36.4"), told);
  });
}
