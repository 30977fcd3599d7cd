import assert from "node:assert/strict";
import { test } from "node:test";
import { type Openness, startWarnings } from "../../src/serve/start-warnings.ts";
import { team } from "./front.ts";

const NAMES = /421.*--allow-host/;
const CLEAR = /passwords .*in clear/;
const OPEN = /may push and delete/;

test("what the start warns of, by who may come", () => {
  const tls = {};
  const named = { host: "0.0.0.0", allowHosts: ["registry.example"] };
  const rows: readonly [Openness, readonly RegExp[]][] = [
    [{ host: "127.0.0.1" }, []],
    [{ host: "::1" }, []],
    [{ host: "localhost", htpasswd: "users" }, []],
    [{ host: "0.0.0.0" }, [NAMES, OPEN]],
    [{ host: "10.0.0.5", readOnly: true }, [NAMES]],
    [named, [OPEN]],
    [{ ...named, tls }, [OPEN]],
    [{ ...named, tls: { clientCa: "ca" } }, []],
    [{ ...named, mirror: {} }, []],
    [{ ...named, htpasswd: "users" }, [CLEAR]],
    [{ ...named, htpasswd: "users", tls }, []],
  ];
  for (const [options, expected] of rows) {
    const said = [...startWarnings(options)];
    assert.equal(said.length, expected.length, `${JSON.stringify(options)}: ${said}`);
    for (const [i, pattern] of expected.entries()) assert.match(said[i] ?? "", pattern);
  }
});

test("a registry that is open to the network says so", async () => {
  await using open = await team({ host: "0.0.0.0" });
  assert.match(open.said.join("\n"), OPEN);
});

const gauges = async (url: string): Promise<Record<string, number>> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const rows = [...text.matchAll(/^imgvol_registry_(free_bytes|writable) (\d+)$/gm)];
  return Object.fromEntries(rows.map(([, name, value]) => [String(name), Number(value)]));
};

test("the measures say when the reserve of the disk ends pushing, while all is well for pulling", async () => {
  const without = { limits: { freeDisk: 0 } };
  await using open = await team(without);
  const { free_bytes: free = 0, writable } = await gauges(open.url);
  assert.ok(free > 0 && writable === 1);
  await using full = await team({ limits: { freeDisk: 2 ** 62 } });
  assert.deepEqual(await gauges(full.url), { free_bytes: 0, writable: 0 });
  assert.equal((await fetch(`${full.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${full.url}/v2/a/blobs/uploads/`, { method: "POST" })).status, 507);
  await using memory = await team({ memory: true });
  assert.deepEqual(await gauges(memory.url), { writable: 1 });
  await using closed = await team({ ...without, readOnly: true });
  assert.equal((await gauges(closed.url))["writable"], 0);
});
