import { execFileSync } from "node:child_process";
import { BlockList, isIPv4 } from "node:net";
import { ClusterError } from "../cluster/index.ts";
import { addressesOf, NETWORKS } from "./addresses.ts";

/**
 * The number of a network that this machine has no way to yet: neither on an interface nor by a route, a VPN's in a table of
 * its own included.
 *
 * @param taken by clusters that are there, whether they run or not
 * @throws ClusterError `cluster-failed` where there is none
 */
export function freeNetwork(taken: ReadonlySet<number>, routes: string = allRoutes()): number {
  const ways = waysOf(routes);
  for (let n = 0; n < NETWORKS; n++) {
    const { host, node } = addressesOf(n);
    if (!taken.has(n) && !ways.check(host) && !ways.check(node)) return n;
  }
  throw new ClusterError("cluster-failed", "every network 10.240.N.0/24 and 198.18.N.0/24 is in use", {
    hint: "ip -4 route show table all: a route to a part of one of them is to go",
  });
}

function allRoutes(): string {
  return execFileSync("ip", ["-4", "route", "show", "table", "all"], { encoding: "utf8" });
}

/** What `ip route` shows, without the default routes: a line may begin with the route's type. */
function waysOf(routes: string): BlockList {
  const ways = new BlockList();
  for (const line of routes.split("\n")) {
    const to = line.split(" ").find((word) => /^[\d.]+(?:\/\d+)?$/.test(word));
    if (to === undefined || !/^(?:[a-z]+ )?\d/.test(line)) continue;
    const [address = "", bits = "32"] = to.split("/");
    // Half of all addresses is how a VPN says `default`.
    if (isIPv4(address) && Number(bits) > 1) ways.addSubnet(address, Number(bits), "ipv4");
  }
  return ways;
}
