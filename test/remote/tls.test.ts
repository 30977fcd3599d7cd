import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Network, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { configuredHosts } from "../../src/hosts/index.ts";
import { login, openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { authority, client, server } from "../base/tls-authority.ts";
import { certificate, key } from "../base/tls-fixture.ts";
import { putImage } from "../contract/store.ts";
import { peer, reply } from "./peer.ts";

const call = quietCall();

interface Place extends AsyncDisposable {
  readonly dir: string;
  /** Options of a client that finds these files for a registry. */
  with(registry: string, files: Readonly<Record<string, string>>): Promise<RemoteOptions>;
}

async function place(): Promise<Place> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-hosts-");
  const network = new Network({ env: {} });
  let count = 0;
  return {
    dir: folder.path,
    async with(registry, files) {
      const dir = join(folder.path, String(++count));
      await mkdir(join(dir, registry), { recursive: true });
      for (const [name, text] of Object.entries(files)) await writeFile(join(dir, registry, name), text);
      const retry = { attempts: 2, delay: 1 };
      return { network, retry, hosts: configuredHosts({ IMGVOL_HOSTS_DIR: dir }) };
    },
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("a registry behind TLS with an authority of its own, that wants client certificates", async () => {
  await using at = await place();
  const files = { "tls.crt": server.cert, "tls.key": server.key, "ca.crt": authority };
  for (const [name, text] of Object.entries(files)) await writeFile(join(at.dir, name), text);
  const tls = {
    cert: join(at.dir, "tls.crt"),
    key: join(at.dir, "tls.key"),
    clientCa: join(at.dir, "ca.crt"),
  };
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0, tls, grace: 0 }, call);
  const host = `localhost:${registry.port}`;
  const open = async (some: Readonly<Record<string, string>>): Promise<ReturnType<typeof openRemote>> =>
    openRemote({ registry: host, repository: "a/b" }, await at.with(host, some));
  const certificates = { "client.cert": client.cert, "client.key": client.key };
  const friend = await open({ "ca.crt": authority, ...certificates });
  const d = await putImage(friend, 1);
  await friend.tag("v1", d, call);
  assert.equal((await friend.resolve("v1", call)).digest, d.digest);
  const failures: readonly [Record<string, string>, RegExp, RegExp][] = [
    [
      { "hosts.toml": `server = "https://${host}"` },
      /^tls-failed$/,
      /^save .*\/localhost:\d+\/ca\.crt, and write it into the hosts\.toml beside it, ca = "ca\.crt" above its first \[host\]$/,
    ],
    [
      {
        "hosts.toml": `server = "https://${host}"\nca = "client.crt"`,
        "client.crt": client.cert,
        "ca.crt": authority,
      },
      /^tls-failed$/,
      /which names another authority's: ca = "ca\.crt"/,
    ],
    // Not every version of Node.js says why it hangs up.
    [{ "ca.crt": authority }, /^(?:tls-failed|registry-unreachable)$/, /client certificate/],
    [
      { "ca.crt": client.cert },
      /^tls-failed$/,
      /^no \.crt in .*\/localhost:\d+ is its authority's: save that \(PEM\) there, as ca\.crt$/,
    ],
    [
      { "ca.crt": authority, "client.cert": certificate, "client.key": key },
      /^(?:tls-failed|registry-unreachable)$/,
      /^(?:check|it may have refused the client certificate) \/.*\/client\.cert: another may be wanted/,
    ],
    [
      {},
      /^registry-unreachable$/,
      /^if it speaks HTTPS, save its authority's certificate \(PEM\) as .*ca\.crt, .* write server = "https:\/\/localhost:\d+" into .*hosts\.toml$/,
    ],
  ];
  // What the hints say to write works.
  const told = await open({
    "hosts.toml": `server = "https://${host}"\nca = "ca.crt"\nclient = [["client.cert", "client.key"]]`,
    "ca.crt": authority,
    ...certificates,
  });
  assert.equal((await told.resolve("v1", call)).digest, d.digest);
  for (const [some, code, hint] of failures) {
    await assert.rejects((await open(some)).resolve("v1", call), { code, hint });
  }
});

test("a registry on this machine that answers plain HTTP as servers of TLS do is told how to be reached", async () => {
  const alert = net.createServer((socket) =>
    socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])).on("error", () => {}),
  );
  alert.listen(0, "127.0.0.1");
  await once(alert, "listening");
  const port = (alert.address() as net.AddressInfo).port;
  const words = "Client sent an HTTP request to an HTTPS server.\n";
  await using go = await peer((_seen, response) => reply(response, 400, {}, words));
  for (const host of [`127.0.0.1:${port}`, go.host]) {
    const store = openRemote({ registry: host, repository: "a/b" }, go.options);
    await assert.rejects(
      store.resolve("v1", call),
      { hint: /^if it speaks HTTPS, save its authority's certificate .* write server = / },
      host,
    );
  }
  alert.close();
});

test("a login is for the registry itself, with its certificates, whatever mirrors stand before it", async () => {
  await using at = await place();
  await using mirror = await peer((_seen, response) => reply(response, 200));
  await using itself = await peer((seen, response) => {
    if (seen.headers.authorization !== undefined) reply(response, 200);
    else reply(response, 401, { "www-authenticate": 'Basic realm="x"' });
  });
  const options = await at.with(itself.host, { "hosts.toml": `[host."${mirror.url}"]` });
  const env = { HOME: at.dir, DOCKER_CONFIG: join(at.dir, "docker") };
  await login(itself.host, { username: "me", password: "secret" }, { ...options, env }, call);
  assert.deepEqual(mirror.seen, []);
  assert.equal(itself.seen.length, 2);
  const only = await at.with(itself.host, { "hosts.toml": `server = "${mirror.url}"` });
  await login(itself.host, { username: "me", password: "secret" }, { ...only, env }, call);
  assert.deepEqual(mirror.seen, []);
});
