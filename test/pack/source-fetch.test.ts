// Fetching payloads from a repository and a registry of our own, well-behaved and hostile.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  type HttpRequest,
  type HttpResponse,
  type Listening,
  quietCall,
  serve,
} from "../../src/base/index.ts";
import { fetchNpmPackages, presetSource } from "../../src/pack/index.ts";
import { fetchJar, type MavenOptions } from "../../src/pack/source-maven.ts";
import { memoryStore } from "../../src/store/index.ts";
import { type Entry, encodeHeader, padding, TRAILER } from "../../src/tar/index.ts";
import { writeLayer } from "../../src/tree/index.ts";

const folder = mkdtempSync(join(tmpdir(), "sources-"));
const files = new Map<string, Uint8Array>();
const asked: HttpRequest[] = [];
let answer: ((request: HttpRequest) => HttpResponse | undefined) | undefined;
let server: Listening;

before(async () => {
  const handler = async (request: HttpRequest): Promise<HttpResponse> => {
    asked.push(request);
    const body = files.get(decodeURIComponent(request.path));
    return answer?.(request) ?? (body ? { status: 200, headers: {}, body } : { status: 404, headers: {} });
  };
  server = await serve(handler, { host: "127.0.0.1", port: 0 });
});

after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let homes = 0;
/** A new cache and home, where nothing is set. */
function fresh(): MavenOptions & { readonly cache: string; readonly home: string } {
  files.clear();
  asked.length = 0;
  answer = undefined;
  const home = join(folder, `home-${homes++}`);
  mkdirSync(home);
  return {
    cache: join(home, "cache"),
    home,
    repository: `${server.url}/m2`,
    env: { MAVEN_HOME: "/nothing" },
  };
}

const hash = (algorithm: string, bytes: Uint8Array): string =>
  createHash(algorithm).update(bytes).digest("hex");
const JAR = Buffer.from("a jar");
const PATH = "/m2/org/agent/agent/1.0/agent-1.0.jar";
const agent = { group: "org.agent", artifact: "agent", version: "1.0" };
const pinned = { ...agent, sha256: hash("sha256", JAR) };
const paths = (): string[] => asked.map((request) => request.path);

function everyFile(at: string): string[] {
  if (!existsSync(at)) return [];
  return readdirSync(at, { recursive: true, withFileTypes: true }).flatMap((e) =>
    e.isFile() ? [e.name] : [],
  );
}

test("a pinned jar is fetched once, and hashed again at every use", async () => {
  const options = fresh();
  files.set(PATH, JAR);
  const first = await fetchJar(pinned, options, quietCall());
  assert.deepEqual(readFileSync(first.path), JAR);
  assert.deepEqual(first.told, []);
  assert.equal((await fetchJar(pinned, options, quietCall())).path, first.path);
  assert.deepEqual(paths(), [PATH]);
  writeFileSync(first.path, "broken");
  const again = await fetchJar(pinned, options, quietCall());
  assert.deepEqual(readFileSync(again.path), JAR);
  assert.deepEqual(paths(), [PATH, PATH]);
});

test("a jar with other bytes is refused, and leaves nothing", async () => {
  const options = fresh();
  files.set(PATH, Buffer.from("another"));
  await assert.rejects(fetchJar(pinned, options, quietCall()), {
    code: "payload-mismatch",
    message: /agent-1\.0\.jar/,
  });
  assert.deepEqual(everyFile(options.cache), []);
});

test("a version that is not there names the repository", async () => {
  await assert.rejects(fetchJar(pinned, fresh(), quietCall()), {
    code: "payload-missing",
    hint: /--repository/,
  });
  await assert.rejects(fetchJar(agent, fresh(), quietCall()), { code: "payload-unverified" });
});

for (const [status, code] of [
  [401, "payload-denied"],
  [403, "payload-denied"],
  [410, "payload-missing"],
] as const) {
  test(`a repository that answers ${status} is asked once`, async () => {
    const options = fresh();
    answer = () => ({ status, headers: {} });
    await assert.rejects(fetchJar(pinned, options, quietCall()), { code });
    assert.equal(asked.length, 1);
  });
}

test("a repository that fails is asked again", async () => {
  const options = fresh();
  files.set(PATH, JAR);
  answer = () => (asked.length === 1 ? { status: 503, headers: {} } : undefined);
  await fetchJar(pinned, options, quietCall());
  assert.equal(asked.length, 2);
});

test("an answer that ends short is asked for again", async () => {
  const options = fresh();
  files.set(PATH, JAR);
  const short = async function* (): AsyncIterable<Uint8Array> {
    yield JAR.subarray(0, 2);
    throw new Error("cut");
  };
  answer = () =>
    asked.length === 1 ? { status: 200, headers: { "content-length": "5" }, body: short() } : undefined;
  await fetchJar(pinned, options, quietCall());
  assert.equal(asked.length, 2);
});

for (const algorithm of ["sha256", "sha1"] as const) {
  test(`another version is trusted at first use by its ${algorithm}, told, and written down`, async () => {
    const options = fresh();
    files.set(PATH, JAR);
    files.set(`${PATH}.${algorithm}`, Buffer.from(`${hash(algorithm, JAR).toUpperCase()}  agent-1.0.jar\n`));
    const first = await fetchJar(agent, options, quietCall());
    assert.equal(first.sha256, pinned.sha256);
    assert.deepEqual(
      first.told.map((finding) => finding.code),
      ["payload-trusted"],
    );
    assert.deepEqual((await fetchJar(agent, options, quietCall())).told, []);

    // The repository changes its mind, checksum and all: that is no longer the first use.
    const other = Buffer.from("another jar");
    files.set(PATH, other);
    files.set(`${PATH}.${algorithm}`, Buffer.from(hash(algorithm, other)));
    rmSync(join(options.cache, "downloads"), { recursive: true });
    await assert.rejects(fetchJar(agent, options, quietCall()), {
      code: "payload-mismatch",
      hint: /remove .*1\.0\.sha256/,
    });
  });
}

test("a jar whose checksum is a web page is not trusted", async () => {
  const options = fresh();
  files.set(PATH, JAR);
  files.set(`${PATH}.sha256`, Buffer.from("<html>sign in</html>"));
  await assert.rejects(fetchJar(agent, options, quietCall()), { code: "payload-unverified" });
  assert.deepEqual(everyFile(options.cache), []);
});

test("another version is not trusted over plain HTTP from another machine", async () => {
  const options = { ...fresh(), repository: "http://repository.example/m2" };
  await assert.rejects(fetchJar(agent, options, quietCall()), {
    code: "payload-unverified",
    message: /plain HTTP/,
  });
});

test("what Maven has downloaded is used where it is the right file, else not", async () => {
  const { repository, ...options } = fresh();
  const local = join(options.home, ".m2/repository/org/agent/agent/1.0/agent-1.0.jar");
  mkdirSync(dirname(local), { recursive: true });
  const settings = `<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>${repository}</url></mirror></mirrors></settings>`;
  writeFileSync(join(options.home, ".m2/settings.xml"), settings);
  files.set(PATH, JAR);
  writeFileSync(local, JAR);
  assert.equal((await fetchJar(pinned, options, quietCall())).path, local);
  assert.deepEqual(paths(), []);
  writeFileSync(local, "half a j");
  assert.notEqual((await fetchJar(pinned, options, quietCall())).path, local);
  assert.deepEqual(paths(), [PATH]);
});

test("a user and password in the repository's URL are sent, and not shown", async () => {
  const options = { ...fresh(), repository: `${server.url.replace("//", "//me:s3cret@")}/m2` };
  await assert.rejects(
    fetchJar(pinned, options, quietCall()),
    (error: Error) => !error.message.includes("s3cret"),
  );
  const sent = `Basic ${Buffer.from("me:s3cret").toString("base64")}`;
  assert.equal(asked[0]?.headers.get("authorization"), sent);
});

test("a preset's jar is one file, at a fixed time: one digest wherever it is packed", async () => {
  const options = fresh();
  const path = "/m2/io/opentelemetry/javaagent/opentelemetry-javaagent/9.9/opentelemetry-javaagent-9.9.jar";
  files.set(path, JAR);
  files.set(`${path}.sha256`, Buffer.from(hash("sha256", JAR)));
  await using source = await presetSource("otel-java", "9.9", options, quietCall());
  const layer = await writeLayer(memoryStore(), source.tree, { compression: "none" }, quietCall());
  assert.equal(layer.diffId, "sha256:a54b5f6a52fd231a27539f2252080e959d74e233521e3026c193115b66cf2734");
  assert.equal(layer.entries, 1);
  assert.equal(source.told[0]?.code, "payload-trusted");
});

test("a preset's version without a lock file names those that there are", async () => {
  await assert.rejects(presetSource("otel-node", "0.1.0", fresh(), quietCall()), {
    code: "payload-unknown",
    hint: /0\.82\.0/,
    wrongUse: true,
  });
});

for (const version of ["", "../../../x", "1/../../x", "1=x", "1?x", "1#x"]) {
  test(`a preset's version ${JSON.stringify(version)} is wrong use, and asks for nothing`, async () => {
    const options = fresh();
    await assert.rejects(presetSource("otel-java", version, options, quietCall()), {
      code: "preset-request-invalid",
      wrongUse: true,
    });
    assert.equal(asked.length, 0);
    assert.deepEqual(everyFile(options.home), []);
  });
}

type Given = Partial<Entry> & { readonly path: string; readonly text?: string };

/** A tarball, with names as given. */
function tarball(...entries: readonly Given[]): Buffer {
  const parts = entries.flatMap(({ text = "", ...entry }) => {
    const bytes = Buffer.from(text);
    const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0, type: "file", size: bytes.length, ...entry };
    return [encodeHeader(common as Entry), bytes, padding(bytes.length)];
  });
  return gzipSync(Buffer.concat([...parts, TRAILER]));
}

/** A tarball whose one entry has a name or type that our writer would refuse. */
function hostile(name: string, type = "0", link = ""): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write("00000000000\0", 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write("ustar\x0000", 257);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  return gzipSync(Buffer.concat([header, TRAILER]));
}

const integrity = (bytes: Uint8Array): string =>
  `sha512-${createHash("sha512").update(bytes).digest("base64")}`;

function publish(packages: Readonly<Record<string, Buffer>>): string {
  const entries = Object.entries(packages).map(([path, bytes]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    files.set(`/npm/${name}/-/${name.replace(/^.*\//, "")}-1.0.0.tgz`, bytes);
    return [path, { version: "1.0.0", integrity: integrity(bytes) }];
  });
  return JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(entries) });
}

function npm(): { cache: string; home: string; env: Record<string, string>; registry: string; into: string } {
  const { cache, home } = fresh();
  const into = join(home, "into");
  mkdirSync(into);
  return { cache, home, env: { npm_config_globalconfig: "/nothing" }, registry: `${server.url}/npm`, into };
}

test("npm packages are placed by the lock, once downloaded, without their first folder", async () => {
  const options = npm();
  const a = tarball(
    { path: "package/index.js", text: "module.exports = 1" },
    { path: "package/bin/run", text: "#!", mode: 0o755 },
    { path: "package/index.js.map", text: "{}" },
  );
  const b = tarball(
    { path: "odd-name/lib/b.js", text: "first" },
    { path: "odd-name/lib/b.js", text: "later" },
  );
  const lock = publish({ "node_modules/a": a, "node_modules/a/node_modules/@s/b": b });
  const drops = (path: string): boolean => path.endsWith(".map");
  const placed = await fetchNpmPackages(lock, options.into, { ...options, drops }, quietCall());
  assert.deepEqual(placed, { packages: 2, files: 4 });
  const at = join(options.into, "node_modules/a");
  assert.equal(readFileSync(join(at, "index.js"), "utf8"), "module.exports = 1");
  assert.equal(readFileSync(join(at, "node_modules/@s/b/lib/b.js"), "utf8"), "later");
  assert.equal(statSync(join(at, "bin/run")).mode & 0o100, 0o100);
  assert.ok(!existsSync(join(at, "index.js.map")));

  const again = join(options.home, "again");
  mkdirSync(again);
  await fetchNpmPackages(lock, again, { ...options, drops }, quietCall());
  assert.equal(asked.length, 2, "the second time nothing is asked for");
});

test("an npm tarball with other bytes is refused, and the others are stopped", async () => {
  const options = npm();
  const lock = publish({ "node_modules/a": tarball({ path: "package/a.js", text: "a" }) });
  files.set("/npm/a/-/a-1.0.0.tgz", tarball({ path: "package/a.js", text: "b" }));
  await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall()), {
    code: "payload-mismatch",
    message: /npm package a 1\.0\.0/,
  });
  assert.deepEqual(everyFile(options.home), []);
});

test("a token goes to its registry, and not along a redirect to another host", async () => {
  const options = npm();
  const bytes = tarball({ path: "package/a.js", text: "a" });
  const lock = publish({ "node_modules/a": bytes });
  await using other = await serve(
    async (request) => {
      asked.push(request);
      return { status: 200, headers: {}, body: bytes };
    },
    { host: "127.0.0.1", port: 0 },
  );
  answer = () => ({ status: 302, headers: { location: `${other.url}/a.tgz` } });
  const host = new URL(server.url).host;
  writeFileSync(join(options.home, ".npmrc"), `//${host}/npm/:_authToken=s3cret\n`);
  await fetchNpmPackages(lock, options.into, options, quietCall());
  assert.deepEqual(
    asked.map((request) => request.headers.get("authorization")),
    ["Bearer s3cret", undefined],
  );
});

const HOSTILE: readonly [string, Buffer][] = [
  ["a name that leads out", hostile("package/../../../outside")],
  ["a name that leads out at once", hostile("../outside")],
  ["a backslash", hostile("package/..\\..\\outside")],
  ["a control character", hostile("package/a\u001b[2J")],
  ["a symbolic link", hostile("package/link", "2", "/etc")],
  ["a hard link", hostile("package/link", "1", "/etc/passwd")],
  ["a device", hostile("package/null", "3")],
  ["a pipe", hostile("package/pipe", "6")],
];

for (const [title, bytes] of HOSTILE) {
  test(`an npm package with ${title} is refused, and nothing outside is touched`, async () => {
    const options = npm();
    const lock = publish({ "node_modules/a": bytes });
    const before = readdirSync(folder).sort();
    await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall()), {
      code: "payload-unsafe",
    });
    assert.deepEqual(readdirSync(folder).sort(), before);
    assert.deepEqual(everyFile(options.into), []);
  });
}

test("a link that stands in the way is not written through", async () => {
  const options = npm();
  const lock = publish({ "node_modules/a": tarball({ path: "package/a.js", text: "theirs" }) });
  const outside = join(options.home, "outside");
  writeFileSync(outside, "ours");
  mkdirSync(join(options.into, "node_modules/a"), { recursive: true });
  symlinkSync(outside, join(options.into, "node_modules/a/a.js"));
  await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall()), { code: "EEXIST" });
  assert.equal(readFileSync(outside, "utf8"), "ours");
});

test("a truncated tarball is an error, not a smaller package", async () => {
  const options = npm();
  const whole = tarball({ path: "package/a.js", text: "a".repeat(5000) });
  const lock = publish({ "node_modules/a": whole.subarray(0, whole.length - 20) });
  await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall()), {
    code: "codec-truncated",
  });
});

test("cancelling stops a download, and leaves nothing half-written", async () => {
  const options = npm();
  const lock = publish({ "node_modules/a": tarball({ path: "package/a.js", text: "a" }) });
  const stop = new AbortController();
  const endless = async function* (): AsyncIterable<Uint8Array> {
    for (;;) {
      yield Buffer.alloc(64 * 1024);
      if (asked[0] !== undefined) stop.abort();
    }
  };
  answer = () => ({ status: 200, headers: {}, body: endless() });
  await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall(stop.signal)), {
    name: "AbortError",
  });
  assert.deepEqual(everyFile(options.home), []);
});

test("what a killed process left behind is removed by the next, what is in use is not", async () => {
  const { cache } = fresh();
  const source = new URL("../../src/pack/source-workspace.ts", import.meta.url).href;
  const program = (then: string): string[] => [
    "--input-type=module",
    "-e",
    `import { workspace } from ${JSON.stringify(source)};
    const work = await workspace(${JSON.stringify(cache)});
    ${then}`,
  ];
  const killed = program("process.send?.(work.path); setInterval(() => {}, 1000);");
  const child = spawn(process.execPath, killed, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [path] = await once(child, "message");
  const sweep = (): void =>
    void execFileSync(process.execPath, program("await work[Symbol.asyncDispose]();"));
  sweep();
  assert.ok(existsSync(path), "in use");
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  sweep();
  assert.deepEqual(readdirSync(join(cache, "work")), []);
});
