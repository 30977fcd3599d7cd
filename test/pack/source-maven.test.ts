// Jars from a repository of our own, well-behaved and not.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { quietCall } from "../../src/base/index.ts";
import { presetSource } from "../../src/pack/index.ts";
import { fetchJar, type MavenOptions } from "../../src/pack/source-maven.ts";
import { memoryStore } from "../../src/store/index.ts";
import { writeLayer } from "../../src/tree/index.ts";
import { everyFile, sourceServer } from "./source-server.ts";

const server = await sourceServer();
after(() => server[Symbol.asyncDispose]());

/** A new cache and home, where nothing is set. */
function fresh(): MavenOptions & { readonly home: string } {
  return { ...server.fresh(), repository: `${server.url}/m2`, env: { MAVEN_HOME: "/nothing" } };
}

const hash = (algorithm: string, bytes: Uint8Array): string =>
  createHash(algorithm).update(bytes).digest("hex");
const JAR = Buffer.from("a jar");
const PATH = "/m2/org/agent/agent/1.0/agent-1.0.jar";
const agent = { group: "org.agent", artifact: "agent", version: "1.0" };
const pinned = { ...agent, sha256: hash("sha256", JAR) };
const paths = (): string[] => server.asked.map((request) => request.path);

test("a pinned jar is fetched once, and hashed again at every use", async () => {
  const options = fresh();
  server.files.set(PATH, JAR);
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
  server.files.set(PATH, Buffer.from("another"));
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
  test(`a repository that answers ${status} is server.asked once`, async () => {
    const options = fresh();
    server.answer = () => ({ status, headers: {} });
    await assert.rejects(fetchJar(pinned, options, quietCall()), { code });
    assert.equal(server.asked.length, 1);
  });
}

test("a repository that fails is server.asked again", async () => {
  const options = fresh();
  server.files.set(PATH, JAR);
  server.answer = () => (server.asked.length === 1 ? { status: 503, headers: {} } : undefined);
  await fetchJar(pinned, options, quietCall());
  assert.equal(server.asked.length, 2);
});

test("a repository that asks for more patience than there is is told with when to come back", async () => {
  const options = fresh();
  server.answer = () => ({ status: 429, headers: { "retry-after": "3600" } });
  await assert.rejects(fetchJar(pinned, options, quietCall()), {
    code: "payload-unavailable",
    hint: "try again in 3600 s",
  });
  assert.equal(server.asked.length, 1);
});

test("an answer that ends short is server.asked for again", async () => {
  const options = fresh();
  server.files.set(PATH, JAR);
  const short = async function* (): AsyncIterable<Uint8Array> {
    yield JAR.subarray(0, 2);
    throw new Error("cut");
  };
  server.answer = () =>
    server.asked.length === 1
      ? { status: 200, headers: { "content-length": "5" }, body: short() }
      : undefined;
  await fetchJar(pinned, options, quietCall());
  assert.equal(server.asked.length, 2);
});

for (const algorithm of ["sha256", "sha1"] as const) {
  test(`another version is trusted at first use by its ${algorithm}, told, and written down`, async () => {
    const options = fresh();
    server.files.set(PATH, JAR);
    server.files.set(
      `${PATH}.${algorithm}`,
      Buffer.from(`${hash(algorithm, JAR).toUpperCase()}  agent-1.0.jar\n`),
    );
    const first = await fetchJar(agent, options, quietCall());
    assert.equal(first.sha256, pinned.sha256);
    assert.deepEqual(
      first.told.map((finding) => finding.code),
      ["payload-trusted"],
    );
    assert.deepEqual((await fetchJar(agent, options, quietCall())).told, []);

    // The repository changes its mind, checksum and all: that is no longer the first use.
    const other = Buffer.from("another jar");
    server.files.set(PATH, other);
    server.files.set(`${PATH}.${algorithm}`, Buffer.from(hash(algorithm, other)));
    rmSync(join(options.cache, "downloads"), { recursive: true });
    await assert.rejects(fetchJar(agent, options, quietCall()), {
      code: "payload-mismatch",
      hint: /remove .*1\.0\.sha256/,
    });
  });
}

test("a jar whose checksum is a web page is not trusted", async () => {
  const options = fresh();
  server.files.set(PATH, JAR);
  server.files.set(`${PATH}.sha256`, Buffer.from("<html>sign in</html>"));
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
  server.files.set(PATH, JAR);
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
  assert.equal(server.asked[0]?.headers.get("authorization"), sent);
});

test("a preset's jar is one file, at a fixed time: one digest wherever it is packed", async () => {
  const options = fresh();
  const path = "/m2/io/opentelemetry/javaagent/opentelemetry-javaagent/9.9/opentelemetry-javaagent-9.9.jar";
  server.files.set(path, JAR);
  server.files.set(`${path}.sha256`, Buffer.from(hash("sha256", JAR)));
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
    assert.equal(server.asked.length, 0);
    assert.deepEqual(everyFile(options.home), []);
  });
}
