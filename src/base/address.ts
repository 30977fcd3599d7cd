import { BlockList, isIP } from "node:net";

// Addresses that a host on the public internet has no business to send us to: IANA's special-purpose registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry, …-ipv6-special-registry), and multicast.
const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const PRIVATE_V6: readonly (readonly [string, number])[] = [
  ["::", 96], // unspecified, loopback, and the old IPv4-compatible form
  ["64:ff9b::", 96], // NAT64 reaches IPv4 addresses, private ones too
  ["64:ff9b:1::", 48],
  ["2002::", 16], // 6to4, likewise
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];

const blocked = new BlockList();
for (const [net, bits] of PRIVATE_V4) {
  blocked.addSubnet(net, bits, "ipv4");
  blocked.addSubnet(`::ffff:${net}`, 96 + bits, "ipv6");
}
for (const [net, bits] of PRIVATE_V6) blocked.addSubnet(net, bits, "ipv6");

/** Whether an IP address is loopback, link-local, private, or otherwise not one of the public internet. */
export function isPrivateAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, "");
  const family = isIP(plain);
  return family === 0 || blocked.check(plain, family === 6 ? "ipv6" : "ipv4");
}

/** The IP address that a URL's host is written as, or undefined where it is a name. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? undefined : bare;
}
