import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type ConnectionOptions, connect, createServer } from "node:tls";
import { addressesOf } from "../../src/native/addresses.ts";
import { authority, leaf } from "../../src/native/certificate.ts";

const now = new Date("2026-11-23T12:34:56.789Z");
const issuer = { commonName: "imgvol test" };
const ca = authority(issuer, now);
const { node, api } = addressesOf(7);
const names = ["localhost", "127.0.0.1", node, api, "kubernetes.default.svc"];
const server = leaf(ca, issuer, { subject: { commonName: "kube-apiserver" }, usage: "server", names }, now);
const admin = { commonName: "imgvol-admin", organization: "system:masters" };
const client = leaf(ca, issuer, { subject: admin, usage: "client" }, now);
const of = ({ certificate }: { certificate: string }): X509Certificate => new X509Certificate(certificate);

test("an authority is one, signed by itself, from a day ago for ten years", () => {
  const cert = of(ca);
  assert.equal(cert.ca, true);
  assert.ok(cert.checkIssued(cert) && cert.verify(cert.publicKey));
  assert.ok(cert.checkPrivateKey(createPrivateKey(ca.key)));
  assert.equal(cert.subject, "CN=imgvol test");
  assert.deepEqual(
    [cert.validFrom, cert.validTo].map((date) => new Date(date).toISOString()),
    ["2026-11-22T12:34:56.000Z", "2036-11-20T12:34:56.000Z"],
  );
});

test("a leaf is the authority's, is none itself, and has the names, the use and the group that it was given", () => {
  const [s, c, a] = [of(server), of(client), of(ca)];
  for (const cert of [s, c]) {
    assert.ok(cert.checkIssued(a) && cert.verify(a.publicKey));
    assert.equal(cert.ca, false);
  }
  assert.equal(
    s.subjectAltName,
    `DNS:localhost, IP Address:127.0.0.1, IP Address:${node}, IP Address:${api}, DNS:kubernetes.default.svc`,
  );
  // Object identifiers of RFC 5280: id-kp-serverAuth and id-kp-clientAuth.
  assert.deepEqual([s.keyUsage, c.keyUsage], [["1.3.6.1.5.5.7.3.1"], ["1.3.6.1.5.5.7.3.2"]]);
  assert.equal(c.subject, "O=system:masters\nCN=imgvol-admin");
  assert.ok(s.checkHost("localhost") && s.checkIP(node));
  assert.equal(s.checkHost("elsewhere"), undefined);
});

test("an IPv6 address is refused, not taken for a DNS name", () => {
  const asked = { subject: admin, usage: "server", names: ["::1"] } as const;
  assert.throws(() => leaf(ca, issuer, asked, now), /not an IPv4 address or a DNS name: ::1/);
});

test("no two serial numbers are the same, and none is negative", () => {
  const serials = Array.from({ length: 50 }, () => BigInt(`0x${of(authority(issuer, now)).serialNumber}`));
  assert.equal(new Set(serials).size, 50);
  assert.ok(serials.every((serial) => serial > 0n && serial < 1n << 128n));
});

test("after 2049 times have four digits in the year", () => {
  const late = of(authority(issuer, new Date("2045-06-01T00:00:00Z")));
  assert.equal(new Date(late.validTo).getUTCFullYear(), 2055);
});

test("another authority's leaf is not ours", () => {
  const other = authority(issuer, now);
  assert.equal(of(server).verify(of(other).publicKey), false);
});

test("TLS with both: each side trusts the other, and refuses those of other authorities", async () => {
  const listening = createServer({
    key: server.key,
    cert: server.certificate,
    ca: ca.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  listening.on("secureConnection", (socket) => socket.end(socket.getPeerX509Certificate()?.subject ?? ""));
  listening.on("tlsClientError", () => {});
  await once(listening.listen(0, "127.0.0.1"), "listening");
  const { port } = listening.address() as AddressInfo;
  const say = (how: ConnectionOptions): Promise<string> =>
    new Promise((resolve, reject) => {
      let said = "";
      const socket = connect({ host: "127.0.0.1", port, ca: ca.certificate, ...how });
      socket.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      socket.once("error", reject);
      socket.once("close", () => (said === "" ? reject(new Error("closed at once")) : resolve(said)));
    });
  try {
    const mine = { key: client.key, cert: client.certificate };
    assert.equal(await say(mine), "O=system:masters\nCN=imgvol-admin");
    const other = authority(issuer, now);
    const theirs = leaf(other, issuer, { subject: admin, usage: "client" }, now);
    await assert.rejects(say({ key: theirs.key, cert: theirs.certificate }));
    await assert.rejects(say({ ...mine, ca: other.certificate }));
    await assert.rejects(say({ key: server.key, cert: server.certificate }), "a server's is no client's");
  } finally {
    listening.close();
  }
});
