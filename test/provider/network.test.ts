import assert from "node:assert/strict";
import { test } from "node:test";
import { freeNetwork } from "../../src/cluster/free-network.ts";
import { ClusterError } from "../../src/cluster/index.ts";

const WAYS: readonly (readonly [string, string, number])[] = [
  ["none", "", 0],
  ["the default ones", "default via 192.0.2.1 dev eth0\n0.0.0.0/1 dev tun0\n128.0.0.0/1 dev tun0\n", 0],
  ["another cluster's", "10.240.0.0/24 dev imgvol-1 proto kernel scope link src 10.240.0.1\n", 1],
  ["to single machines", "10.240.0.2 via 192.0.2.9 dev eth0\nlocal 10.240.1.1 dev lo table local\n", 2],
  ["to a network of machines", "10.240.0.0/16 dev eth0 scope link\n", 256],
  ["a VPN's, in a table of its own", "10.0.0.0/8 dev wg0 table 51820 scope link\n", 256],
  ["a refusal", "unreachable 10.240.0.0/20 proto static\n", 16],
  ["elsewhere, from there", "192.0.2.0/24 dev eth0 proto kernel scope link src 10.240.0.1\n", 0],
];

for (const [what, routes, first] of WAYS) {
  test(`a network that this machine has no way to; the routes: ${what}`, () => {
    assert.equal(freeNetwork(new Set(), routes), first);
    assert.equal(freeNetwork(new Set([first]), routes), first + 1);
  });
}

test("where every network has a way, there is none", () => {
  const routes = "10.0.0.0/8 dev a\n198.18.0.0/15 dev b\n";
  assert.throws(
    () => freeNetwork(new Set(), routes),
    (error: unknown) => error instanceof ClusterError && error.code === "cluster-failed",
  );
});
