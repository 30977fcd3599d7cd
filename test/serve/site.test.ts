import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { MediaType } from "../../src/oci/index.ts";
import { html } from "../../src/serve/site-html.ts";
import { linesFor } from "../../src/serve/site-lines.ts";
import { newestFirst } from "../../src/serve/site-tags.ts";
import { manifestOf, sha256 } from "../registry/exchange.ts";
import { type Team, team } from "./front.ts";

const MARKUP = `"><script>alert(1)</script><img src=x onerror='alert(1)'>&amp;`;

async function put(
  url: string,
  path: string,
  body: string,
  type = MediaType.manifest as string,
): Promise<string> {
  const headers = { "content-type": type };
  const response = await fetch(`${url}/v2/${path}`, { method: "PUT", headers, body });
  assert.equal(response.status, 201, await response.text());
  return sha256(body);
}

async function blob(url: string, name: string, text: string): Promise<void> {
  const target = `${url}/v2/${name}/blobs/uploads/?digest=${sha256(text)}`;
  assert.equal((await fetch(target, { method: "POST", body: text })).status, 201);
}

/** Pushes an image of one platform, tagged. */
async function image(
  registry: Team,
  name: string,
  tags: readonly string[],
  config: string,
  more: object = {},
): Promise<string> {
  for (const text of [config, "layer"]) await blob(registry.url, name, text);
  let digest = "";
  for (const tag of tags)
    digest = await put(registry.url, `${name}/manifests/${tag}`, manifestOf(config, ["layer"], more));
  return digest;
}

const page = async (registry: Team, path: string): Promise<string> => {
  const response = await fetch(registry.url + path);
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'self'; /);
  assert.doesNotMatch(policy, /unsafe|\*|data:/);
  const text = await response.text();
  assert.doesNotMatch(text, /<script>|<img src=x|onerror='/);
  // No style and no script but our own files, which the policy lets in.
  assert.doesNotMatch(text.replace(/"[^"]*"/g, '""'), /<style|<[^>]* (?:style|on\w+)=/);
  return text;
};

test("values in a page are text, whatever they say", () => {
  const { text } = html`<a title="${MARKUP}">${MARKUP}</a>${[html`<b>${1}</b>`, html`<i></i>`]}${undefined}`;
  const safe =
    "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;amp;";
  assert.equal(text, `<a title="${safe}">${safe}</a><b>1</b><i></i>`);
});

for (const [tags, order] of [
  [["1.9", "1.10", "latest", "1.10.1"], "latest 1.10.1 1.10 1.9"],
  [["v2", "v10", "main", "v1"], "v10 v2 v1 main"],
  [["2026-01-02", "2026-01-10"], "2026-01-10 2026-01-02"],
  [["a", "A", "_"], "a _ A"],
  [["00000000000000000000000000000001", "1", "2"], "2 1 00000000000000000000000000000001"],
  [[], ""],
] as const) {
  test(`tags as a person looks for them: ${order}`, () => {
    assert.equal(newestFirst(tags).join(" "), order);
  });
}

test("the lines that one copies: the host as the reader has it, names that Kubernetes takes", () => {
  const { pull, run, pod } = linesFor(
    "registry.example:5001",
    "team/my_agent.v2",
    "1",
    `sha256:${"a".repeat(64)}`,
  );
  assert.equal(pull, "imgvol copy registry.example:5001/team/my_agent.v2:1 oci:./my_agent.v2:1");
  assert.equal(
    run,
    "imgvol run -v registry.example:5001/team/my_agent.v2:1:/mnt/my_agent.v2 -- ls /mnt/my_agent.v2",
  );
  assert.match(pod, /name: my-agent-v2, mountPath: \/mnt\/my_agent\.v2, readOnly: true/);
  assert.match(pod, /^ {8}reference: registry\.example:5001\/team\/my_agent\.v2:1@sha256:a{64}$/m);
});

for (const [last, name] of [
  ["my_agent.v2", "my-agent-v2"],
  ["2024", '"2024"'],
  ["1e3", '"1e3"'],
  ["true", '"true"'],
  ["truely", "truely"],
  [`${"a".repeat(62)}-b`, "a".repeat(62)],
] as const) {
  test(`a volume's name that Kubernetes and YAML take as it is: ${last}`, () => {
    const { pod } = linesFor("localhost:5001", `team/${last}`, "1", sha256(""));
    assert.equal(/- \{ name: (\S+), mountPath: /.exec(pod)?.[1], name);
    assert.equal(/^ {4}- name: (\S+)\n {6}image:$/m.exec(pod)?.[1], name);
    const { spec } = parse(pod);
    assert.equal(spec.volumes[0].name, name.replaceAll('"', ""));
    assert.equal(spec.containers[0].volumeMounts[0].name, spec.volumes[0].name);
    assert.match(spec.volumes[0].name, /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
  });
}

test("an empty registry says how to fill it", async () => {
  await using registry = await team({ memory: true });
  assert.match(
    await page(registry, "/"),
    new RegExp(`imgvol pack ./agent -t ${new URL(registry.url).host}/agent:1`),
  );
});

test("the list and a repository's page: tags, digests, sizes, platforms, ages, and what strangers wrote as text", async () => {
  await using registry = await team();
  const created = new Date(Date.now() - 3 * 86_400_000).toISOString();
  const config = JSON.stringify({
    variant: `v8\u202e${"x".repeat(300)}`,
    os: "linux",
    architecture: MARKUP,
    created,
    rootfs: { type: "layers", diff_ids: [] },
  });
  const digest = await image(registry, "team/agent", ["1.9", "1.10"], config);
  const list = await page(registry, "/");
  assert.match(list, /href="\/r\/team\/agent"/);
  assert.match(list, /<li>1\.10<\/li><li>1\.9<\/li>/);
  assert.match(list, /3 days ago/);
  assert.match(list, /linux\/&quot;&gt;&lt;script&gt;/);
  assert.match(list, /v8\\u\{202e\}x+… \(\d+ more characters\)/);
  const own = await page(registry, "/r/team/agent");
  assert.ok(own.includes(`reference: ${new URL(registry.url).host}/team/agent:1.10@${digest}`));
  assert.match(own, /2 tags/);
  // One digest, one card.
  assert.equal(own.match(/<h2>/g)?.length, 1);
  const size = Buffer.byteLength(config) + 5 + Buffer.byteLength(manifestOf(config, ["layer"]));
  assert.ok(own.includes(`${size} B`), `${size}`);
});

test("an index: its platforms, what of it is not here, and no attestation as a platform", async () => {
  await using registry = await team();
  const manifest = manifestOf("{}", ["layer"]);
  await image(registry, "agent", ["amd"], "{}");
  const entry = (digest: string, os: string, architecture: string): object => ({
    mediaType: MediaType.manifest,
    digest,
    size: manifest.length,
    platform: { os, architecture },
  });
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: [
      entry(sha256(manifest), "linux", "amd64"),
      entry(sha256("elsewhere"), "linux", "arm64"),
      entry(sha256(manifest), "unknown", "unknown"),
    ],
  });
  await put(registry.url, "agent/manifests/1", index, MediaType.index);
  const own = await page(registry, "/r/agent");
  assert.match(own, /linux\/amd64, linux\/arm64<\/span><span class="missing">1 not here/);
  assert.doesNotMatch(own, /unknown/);
});

test("an artifact that is no image is fetched, not mounted; content that is broken hides no other", async () => {
  await using registry = await team();
  const artifact = manifestOf("{}", [], {
    artifactType: `application/x${MARKUP}`,
    config: { mediaType: MediaType.empty, digest: sha256("{}"), size: 2 },
  });
  await blob(registry.url, "things", "{}");
  await put(registry.url, "things/manifests/sbom", artifact);
  const broken = await image(registry, "things", ["broken"], "{ no json", { annotations: { a: "b" } });
  const own = await page(registry, "/r/things");
  assert.match(own, /imgvol copy \S+\/things:sbom/);
  assert.doesNotMatch(own, /imgvol run -v \S+things:sbom/);
  await writeFile(
    join(registry.data, "things/_layout/blobs/sha256", broken.slice("sha256:".length)),
    "rotten",
  );
  assert.match(
    await page(registry, "/r/things"),
    /<h2>broken<\/h2><p class="facts"><span class="missing">cannot be read/,
  );
});

test("thousands of repositories come page by page, and are found by a part of their name", async () => {
  await using registry = await team({ memory: true });
  for (let i = 0; i < 120; i++)
    await blob(registry.url, `team${i % 2}/app-${String(i).padStart(3, "0")}`, "x");
  const count = (text: string): number => text.match(/<a href="\/r\//g)?.length ?? 0;
  const first = await page(registry, "/");
  assert.equal(count(first), 50);
  assert.match(first, /Page 1 of 3/);
  assert.match(first, /<a href="\?page=2" rel="next">/);
  const last = await page(registry, "/?page=3");
  assert.equal(count(last), 20);
  assert.doesNotMatch(last, /rel="next"/);
  const found = await page(registry, "/?q=Team1&page=2");
  assert.match(found, /60 of 120/);
  assert.equal(count(found), 10);
  assert.match(found, /<a href="\?q=Team1&amp;page=1" rel="prev">/);
  for (const odd of ["/?page=0", "/?page=-1", "/?page=99999999999", "/?page=x", "/?page=1&page=2"]) {
    assert.ok(count(await page(registry, odd)) > 0, odd);
  }
  const none = await page(registry, `/?q=${encodeURIComponent(MARKUP)}`);
  assert.match(none, /No repository has/);
});

test("a repository that is not there, and names that are none, are 404 with a way back", async () => {
  await using registry = await team();
  for (const path of ["/r/none", "/r/", "/r/..%2f..%2fetc", "/r/A", "/r/a//b", `/r/${"a".repeat(5000)}`]) {
    const response = await fetch(registry.url + path);
    assert.equal(response.status, 404, path);
    assert.match(await response.text(), /<a href="\/">All repositories/);
  }
});

test("what was pushed is never a page of ours, whatever it looks like", async () => {
  await using registry = await team({ memory: true });
  const text = `<!doctype html><script>alert(1)</script>`;
  await blob(registry.url, "a", text);
  const response = await fetch(`${registry.url}/v2/a/blobs/${sha256(text)}`);
  assert.equal(await response.text(), text);
  assert.equal(response.headers.get("content-type"), "application/octet-stream");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

test("the pages' own files are there, and nothing else beside them", async () => {
  await using registry = await team({ memory: true });
  for (const [path, type] of [
    ["/page-palette.css", "text/css; charset=utf-8"],
    ["/site.css", "text/css; charset=utf-8"],
    ["/site.mjs", "text/javascript; charset=utf-8"],
    ["/site-icon.svg", "image/svg+xml"],
  ] as const) {
    const response = await fetch(registry.url + path);
    assert.equal(response.headers.get("content-type"), type);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  }
  for (const path of ["/site.ts", "/start.ts", "/favicon.ico", "/site.css/", "//site.css"]) {
    assert.equal((await fetch(registry.url + path)).status, 404, path);
  }
});
