// npm packages from a registry of our own, well-behaved and hostile.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { quietCall, serve } from "../../src/base/index.ts";
import { fetchNpmPackages } from "../../src/pack/index.ts";
import { type Entry, encodeHeader, padding, TRAILER } from "../../src/tar/index.ts";
import { everyFile, sourceServer } from "./source-server.ts";

const server = await sourceServer();
after(() => server[Symbol.asyncDispose]());

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
    server.files.set(`/npm/${name}/-/${name.replace(/^.*\//, "")}-1.0.0.tgz`, bytes);
    return [path, { version: "1.0.0", integrity: integrity(bytes) }];
  });
  return JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(entries) });
}

function npm(): { cache: string; home: string; env: Record<string, string>; registry: string; into: string } {
  const { cache, home } = server.fresh();
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
  assert.equal(server.asked.length, 2, "the second time nothing is server.asked for");
});

test("an npm tarball with other bytes is refused, and the others are stopped", async () => {
  const options = npm();
  const lock = publish({ "node_modules/a": tarball({ path: "package/a.js", text: "a" }) });
  server.files.set("/npm/a/-/a-1.0.0.tgz", tarball({ path: "package/a.js", text: "b" }));
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
      server.asked.push(request);
      return { status: 200, headers: {}, body: bytes };
    },
    { host: "127.0.0.1", port: 0 },
  );
  server.answer = () => ({ status: 302, headers: { location: `${other.url}/a.tgz` } });
  const host = new URL(server.url).host;
  writeFileSync(join(options.home, ".npmrc"), `//${host}/npm/:_authToken=s3cret\n`);
  await fetchNpmPackages(lock, options.into, options, quietCall());
  assert.deepEqual(
    server.asked.map((request) => request.headers.get("authorization")),
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
    const before = readdirSync(server.folder).sort();
    await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall()), {
      code: "payload-unsafe",
    });
    assert.deepEqual(readdirSync(server.folder).sort(), before);
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
      if (server.asked[0] !== undefined) stop.abort();
    }
  };
  server.answer = () => ({ status: 200, headers: {}, body: endless() });
  await assert.rejects(fetchNpmPackages(lock, options.into, options, quietCall(stop.signal)), {
    name: "AbortError",
  });
  assert.deepEqual(everyFile(options.home), []);
});
