import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import type { Endpoint } from "../../src/hosts/endpoint.ts";
import { configuredHosts, hostsFolders } from "../../src/hosts/hosts.ts";
import { authority, client, server } from "../base/tls-authority.ts";

/** Folders with files, and what they say of registries. */
async function folders(files: Readonly<Record<string, string>>): Promise<
  {
    readonly path: string;
    of(registry: string, plainHttp?: boolean): Promise<readonly Endpoint[] | undefined>;
  } & AsyncDisposable
> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-hosts-");
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const dirs = [...new Set(Object.keys(files).map((name) => join(folder.path, name.split("/")[0] ?? "")))];
  const provider = configuredHosts({ IMGVOL_HOSTS_DIR: dirs.join(":") });
  return {
    path: folder.path,
    of: (registry, plainHttp = false) => provider.endpoints(registry, plainHttp),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function brief(endpoints: readonly Endpoint[] | undefined): string[] | undefined {
  return endpoints?.map((e) => `${e.api} ${[...e.can].join("+")} as ${e.registry} for ${e.mirrorOf}`);
}

const all = "pull+resolve+push";

const files: readonly [what: string, text: string, registry: string, expected: readonly string[]][] = [
  [
    "mirrors in their order, then the server",
    `server = "https://registry.example"
     [host."https://b.example"]
       capabilities = ["pull"]
     [host."http://a.example:5000"]
       capabilities = ["Pull", "resolve"]
     [host."c.example/v2"]`,
    "registry.example",
    [
      "https://b.example/v2/ pull as b.example for registry.example",
      "http://a.example:5000/v2/ pull+resolve as a.example:5000 for registry.example",
      `https://c.example/v2/ ${all} as c.example for registry.example`,
      `https://registry.example/v2/ ${all} as registry.example for undefined`,
    ],
  ],
  [
    "no server: the registry itself",
    '[host."https://mirror.example"]',
    "registry.example:5000",
    [
      `https://mirror.example/v2/ ${all} as mirror.example for registry.example:5000`,
      `https://registry.example:5000/v2/ ${all} as registry.example:5000 for undefined`,
    ],
  ],
  [
    "only the server, which is another host",
    'server = "mirror.example"\ncapabilities = ["pull"]',
    "registry.example",
    ["https://mirror.example/v2/ pull as mirror.example for registry.example"],
  ],
  [
    "Docker Hub by both of its names",
    'server = "https://docker.io"\n[host."https://registry-1.docker.io"]\n[host."https://m.example"]',
    "docker.io",
    [
      `https://registry-1.docker.io/v2/ ${all} as docker.io for undefined`,
      `https://m.example/v2/ ${all} as m.example for docker.io`,
      `https://registry-1.docker.io/v2/ ${all} as docker.io for undefined`,
    ],
  ],
  [
    "paths: below, already there, overridden",
    `[host."https://a.example/team/"]
     [host."https://b.example/team/v2/"]
     [host."https://c.example/v2/project"]
       override_path = true
     [host."https://d.example"]
       override_path = true`,
    "x.example",
    [
      `https://a.example/team/v2/ ${all} as a.example for x.example`,
      `https://b.example/team/v2/ ${all} as b.example for x.example`,
      `https://c.example/v2/project/ ${all} as c.example for x.example`,
      `https://d.example/ ${all} as d.example for x.example`,
      `https://x.example/v2/ ${all} as x.example for undefined`,
    ],
  ],
  [
    "fields of others, and none at all, change nothing",
    'future = { a = 1 }\n[host."https://a.example"]\nalso = [1]',
    "x.example",
    [
      `https://a.example/v2/ ${all} as a.example for x.example`,
      `https://x.example/v2/ ${all} as x.example for undefined`,
    ],
  ],
];
for (const [what, text, registry, expected] of files) {
  test(`hosts.toml: ${what}`, async () => {
    await using at = await folders({ [`certs.d/${registry}/hosts.toml`]: text });
    assert.deepEqual(brief(await at.of(registry)), expected);
  });
}

const broken: readonly [text: string, line: number, message: RegExp][] = [
  ["server = ", 1, /hosts\.toml/],
  ['# one\n[host."https://a.example"]\n\n  capabilities = ["pull", "fly"]', 4, /"fly" is none of/],
  ['server = "https://a.example"\nskip_verify = "yes"', 2, /true or false/],
  ['server = "ftp://a.example"', 1, /not the http or https URL/],
  ['[host."https://u:secret@a.example"]', 1, /host/],
  ["\n[host]\nx = 1", 2, /has to be a table/],
  ['client = [["a", "b", "c"]]', 1, /\[certificate, key\]/],
  ["ca = 1", 1, /path/],
  ['[host."https://a.example"]\n[host."https://a.example".header]\n  x = "a\\nb"', 3, /header/],
  ['dial_timeout = "soon"', 1, /5s/],
  ['\nproxy = "socks5://u:secret@a.example"', 2, /proxy/],
  ['a = 1\nb = 2\nc = "', 3, /hosts\.toml/],
  ['[host."https://a.example".header]\nauthorization = "Bearer secret" x', 2, /end-of-line/],
  ['[host."https://a.example".header]\nauthorization = "secret \\u20ac"', 2, /header/],
];
for (const [text, line, message] of broken) {
  test(`hosts.toml: ${JSON.stringify(text)} is refused with its line, and without secrets`, async () => {
    await using at = await folders({ "certs.d/x.example/hosts.toml": text });
    await assert.rejects(at.of("x.example"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "hosts-invalid");
      assert.match(error.message, message);
      assert.ok(error.message.includes(`x.example/hosts.toml:${line}: `), error.message);
      assert.doesNotMatch(`${error.message}${String(error.cause)}`.replaceAll(at.path, ""), /secret/);
      return true;
    });
  });
}

test("which folder counts: a name with its port, then the bare one, then _default; the first of several", async () => {
  const mirror = (name: string): string => `server = "https://${name}.example"`;
  await using at = await folders({
    "one/_default/hosts.toml": mirror("default-one"),
    "one/a.example:5000/hosts.toml": mirror("colon-one"),
    "two/a.example_5000_/hosts.toml": mirror("port-two"),
    "two/b.example_5000_/hosts.toml": mirror("port-b"),
    "two/b.example:5000/hosts.toml": mirror("colon-b"),
    "two/c.example/hosts.toml": mirror("c"),
    "two/_default/hosts.toml": mirror("default-two"),
  });
  const found: Record<string, string> = {
    "a.example:5000": "colon-one",
    "b.example:5000": "port-b",
    "c.example": "c",
    "c.example:5000": "default-one",
    "d.example": "default-one",
  };
  for (const [registry, name] of Object.entries(found)) {
    assert.equal((await at.of(registry))?.[0]?.api.host, `${name}.example`, registry);
  }
});

test("a name that is no registry's is not looked for: it could lead anywhere", async () => {
  await using at = await folders({ "etc/certs.d/a.example/hosts.toml": "", "etc/hosts.toml": "server = 1" });
  for (const name of ["..", ".", "../certs.d", "a.example/..", "", "a.example:x"]) {
    await assert.rejects(at.of(name), { code: "reference-invalid" }, name);
  }
});

test("without a folder for it, nothing is known of a registry; the folders have an order", async () => {
  await using at = await folders({ "certs.d/a.example/hosts.toml": "" });
  assert.equal(await at.of("b.example"), undefined);
  assert.deepEqual(hostsFolders({ HOME: "/home/me" }), [
    "/home/me/.config/containers/certs.d",
    "/etc/containerd/certs.d",
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ]);
  assert.deepEqual(hostsFolders({ IMGVOL_HOSTS_DIR: "" }), []);
});

test("certificates, headers, times and proxies of a host are its own", async () => {
  await using at = await folders({
    "certs.d/x.example/hosts.toml": `
      ca = "ca.pem"
      [host."https://a.example"]
        client = [["client.cert", "client.key"], ["both.pem", ""]]
        dial_timeout = "1m1.5s"
        proxy = "http://proxy.example:3128"
        [host."https://a.example".header]
          X-One = "1"
          x-two = ["a", "b"]
      [host."http://b.example"]
        skip_verify = true`,
    "certs.d/x.example/ca.pem": authority,
    "certs.d/x.example/client.cert": client.cert,
    "certs.d/x.example/client.key": client.key,
    "certs.d/x.example/both.pem": `${client.key}${client.cert}`,
  });
  const [a, b, root] = (await at.of("x.example")) ?? [];
  assert.deepEqual(a?.headers, { "x-one": "1", "x-two": "a, b" });
  assert.equal(a?.own?.client?.length, 2);
  assert.equal(a?.own?.connectTimeout, 61_500);
  assert.equal(a?.own?.proxy?.host, "proxy.example:3128");
  assert.deepEqual([b?.own?.skipVerify, b?.own?.origin], [true, "http://b.example"]);
  assert.deepEqual([root?.own?.ca, root?.own?.client, root?.own?.skipVerify], [[authority], [], false]);
});

test("how long a host may take to be reached, in Go's words; none at all is no limit, and no limit is too long", async () => {
  const times: readonly [string, number | undefined][] = [
    ["1.5s", 1500],
    ["1m30s", 90_000],
    ["250ms", 250],
    ["0s", undefined],
    ["0", undefined],
    ["10000h", 2 ** 31 - 1],
  ];
  for (const [text, expected] of times) {
    await using at = await folders({
      "certs.d/x.example/hosts.toml": `[host."https://a.example"]\ndial_timeout = "${text}"\nskip_verify = true`,
    });
    assert.equal((await at.of("x.example"))?.[0]?.own?.connectTimeout, expected, text);
  }
});

test("docker's files: .crt are authorities, .cert with .key are the client's; a registry here then speaks TLS", async () => {
  await using at = await folders({
    "certs.d/localhost:5000/ca.crt": authority,
    "certs.d/localhost:5000/client.cert": client.cert,
    "certs.d/localhost:5000/client.key": client.key,
    "certs.d/localhost:5000/README": "hello",
  });
  const [itself] = (await at.of("localhost:5000")) ?? [];
  assert.equal(itself?.api.href, "https://localhost:5000/v2/");
  assert.deepEqual(itself?.own?.ca, [authority]);
  const [shown] = itself?.own?.client ?? [];
  assert.match(shown?.from ?? "", /certs\.d\/localhost:5000\/client\.cert$/);
  assert.deepEqual({ cert: shown?.cert, key: shown?.key }, client);
  assert.equal((await at.of("localhost:5000", true))?.[0]?.api.protocol, "http:");
});

const certificates: readonly [what: string, files: Readonly<Record<string, string>>, message: RegExp][] = [
  ["a certificate without its key", { "a.cert": client.cert }, /a\.cert: its key a\.key/],
  ["a key without its certificate", { "a.key": client.key }, /a\.key: its certificate a\.cert/],
  [
    "another one's key",
    { "a.cert": client.cert, "a.key": server.key },
    /a\.key: it is not the key of .*a\.cert/,
  ],
  ["a key that is none", { "a.cert": client.cert, "a.key": "x" }, /a\.key: it has no private key/],
  ["an authority that is none", { "ca.crt": "hello" }, /ca\.crt: it has no certificate/],
  ["a file that is not there", { "hosts.toml": 'ca = "gone.pem"' }, /gone\.pem/],
];
for (const [what, some, message] of certificates) {
  test(`certificates: ${what} is told with the file`, async () => {
    const named = Object.entries(some).map(([name, text]) => [`certs.d/x.example/${name}`, text]);
    await using at = await folders(Object.fromEntries(named));
    await assert.rejects(at.of("x.example"), { code: "hosts-invalid", message });
  });
}
