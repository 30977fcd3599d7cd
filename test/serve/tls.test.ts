import assert from "node:assert/strict";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { authority, client, expired, server } from "../base/tls-authority.ts";

interface Pair {
  readonly cert: string;
  readonly key: string;
}

async function served(clientCa: boolean): Promise<
  AsyncDisposable & {
    readonly port: number;
    /**
     * Puts another pair in place of the one there, and waits until the registry says `sentence`. Two files cannot be
     * replaced at once: of the moment between them it may say that the pair is broken, and of one pair it may speak twice.
     */
    replace(pair: Pair, sentence: RegExp): Promise<void>;
  }
> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-tls-");
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("ca.pem"), authority);
  await writeFile(at("cert.pem"), server.cert);
  await writeFile(at("key.pem"), server.key);
  let heard: (sentence: string) => void = () => {};
  const registry = await startRegistry(
    {
      host: "127.0.0.1",
      port: 0,
      tls: {
        cert: at("cert.pem"),
        key: at("key.pem"),
        ...(clientCa ? { clientCa: at("ca.pem") } : {}),
        lookEvery: 5,
      },
      say: (sentence) => heard(sentence),
    },
    quietCall(),
  );
  return {
    port: registry.port,
    async replace({ cert, key }, sentence) {
      const said = new Promise<void>((resolve) => {
        heard = (one) => sentence.test(one) && resolve();
      });
      await writeFile(at("new-key.pem"), key);
      await writeFile(at("new-cert.pem"), cert);
      await rename(at("new-key.pem"), at("key.pem"));
      await rename(at("new-cert.pem"), at("cert.pem"));
      await said;
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The status of `GET /v2/`, and until when the certificate holds that came with it. */
async function ask(port: number, own?: Pair): Promise<readonly [number | undefined, string]> {
  const sent = request({
    host: "127.0.0.1",
    port,
    path: "/v2/",
    agent: false,
    rejectUnauthorized: false,
    ...own,
  });
  sent.end();
  const [response] = await once(sent, "response");
  const until = (response.socket as TLSSocket).getPeerCertificate().valid_to;
  await once(response.resume(), "end");
  return [response.statusCode, until];
}

test("a new certificate serves the next connection, a broken one is told and the old one stays", async () => {
  await using registry = await served(false);
  const [status, first] = await ask(registry.port);
  assert.equal(status, 200);
  assert.match(first, / 2120 /);
  await registry.replace(expired, /new connections get the new certificate$/);
  assert.match((await ask(registry.port))[1], / 2021 /);
  await registry.replace({ cert: server.cert, key: "nonsense" }, /^the certificate stays as it was: /);
  assert.match((await ask(registry.port))[1], / 2021 /);
});

test("--tls-client-ca: a client needs a certificate of that authority", async () => {
  await using registry = await served(true);
  await assert.rejects(ask(registry.port));
  assert.equal((await ask(registry.port, client))[0], 200);
  await registry.replace(server, /new connections get the new certificate$/);
  await assert.rejects(ask(registry.port), "after a change, too");
  assert.equal((await ask(registry.port, client))[0], 200);
});

test("a pair that does not belong together is refused at the start, by its files", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-tls-");
  const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
  const start = (): Promise<unknown> =>
    startRegistry({ host: "127.0.0.1", port: 0, tls: { cert, key } }, quietCall());
  await writeFile(cert, server.cert);
  await assert.rejects(start(), { code: "tls-failed", message: /cannot read .*key\.pem/ });
  await writeFile(key, client.key);
  await assert.rejects(start(), {
    code: "tls-failed",
    message: /cannot speak HTTPS with .*cert\.pem, .*key\.pem/,
  });
});
