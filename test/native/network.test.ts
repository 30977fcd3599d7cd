import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import { test } from "node:test";
import { ClusterError } from "../../src/cluster/index.ts";
import { addressesOf, linkNames, NETWORKS } from "../../src/native/addresses.ts";
import { freeNetwork } from "../../src/native/free-network.ts";

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

test("each cluster has a network of its own, and names of interfaces that the kernel takes", () => {
  const all = Array.from({ length: NETWORKS }, (_, n) => addressesOf(n));
  assert.equal(new Set(all.map(({ node }) => node)).size, NETWORKS);
  for (const { host, node } of all) assert.ok(isIPv4(host) && isIPv4(node));
  assert.equal(all[255]?.host, "10.240.255.1");
  for (const name of Object.values(linkNames({ id: "01234567-89ab-cdef-0123-456789abcdef" })))
    assert.ok(name.length <= 15, name);
});
