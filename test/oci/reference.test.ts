import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatReference,
  OciError,
  parseReference,
  pinned,
  registryOf,
  repositoryOf,
  wantedOf,
} from "../../src/oci/index.ts";

const HEX = "ab".repeat(32);
const PIN = `@sha256:${HEX}`;

const remotes: readonly [written: string, registry: string, repository: string, wanted: string][] = [
  ["alpine", "docker.io", "library/alpine", "latest"],
  ["me/app:1", "docker.io", "me/app", "1"],
  ["docker.io/alpine", "docker.io", "library/alpine", "latest"],
  ["index.docker.io/me/app", "docker.io", "me/app", "latest"],
  ["localhost/app", "localhost", "app", "latest"],
  ["localhost:5001/otel/agent:v2.15.0", "localhost:5001", "otel/agent", "v2.15.0"],
  [`127.0.0.1:5001/a${PIN}`, "127.0.0.1:5001", "a", PIN.slice(1)],
  [`[::1]:5001/a/b:t${PIN}`, "[::1]:5001", "a/b", PIN.slice(1)],
  ["ghcr.io/a-b/c__d.e:1_2.3-4", "ghcr.io", "a-b/c__d.e", "1_2.3-4"],
  ["Host/app", "Host", "app", "latest"],
  ["alpine:5001", "docker.io", "library/alpine", "5001"],
  ["localhost:v1", "docker.io", "library/localhost", "v1"],
];

test("a remote reference gives registry, repository and what to ask for", () => {
  for (const [written, registry, repository, wanted] of remotes) {
    const r = parseReference(written);
    assert.equal(r.scheme, "remote", written);
    if (r.scheme !== "remote") continue;
    assert.deepEqual([registryOf(r), repositoryOf(r), wantedOf(r)], [registry, repository, wanted], written);
    assert.equal(formatReference(r), written);
  }
});

const files: readonly [written: string, path: string, tag: string | undefined, pinned: boolean][] = [
  ["oci:./dir", "./dir", undefined, false],
  ["oci:/a/b:v1", "/a/b", "v1", false],
  ["oci:/a:b/c", "/a:b/c", undefined, false],
  ["oci:/a:b:", "/a:b", undefined, false],
  ["oci:/a:b:c", "/a:b", "c", false],
  [`oci:dir:t${PIN}`, "dir", "t", true],
  [`oci-archive:x.tar${PIN}`, "x.tar", undefined, true],
  ["oci-archive:/with space/ünï.tar:1", "/with space/ünï.tar", "1", false],
];

test("a file reference is read from the right", () => {
  for (const [written, path, tag, hasDigest] of files) {
    const r = parseReference(written);
    assert.ok(r.scheme !== "remote", written);
    assert.deepEqual([r.path, r.tag, r.digest !== undefined], [path, tag, hasDigest], written);
    assert.equal(formatReference(r), written);
  }
});

test("what is no reference is refused with its reason", () => {
  const wrong = [
    "",
    "me/UPPER",
    "localhost:5001/App",
    "https://ghcr.io/a/b",
    "a@sha256:123",
    "a@md5:d41d8cd98f00b204e9800998ecf8427e",
    "oci:",
    "oci::tag",
    "-host.io/a",
    "host.io/",
    "host.io/a//b",
    "a:b:c",
    `a:${"t".repeat(129)}`,
    "oci:a\0b",
    `ghcr.io/${"a".repeat(256)}`,
  ];
  for (const text of wrong) {
    assert.throws(
      () => parseReference(text),
      (e: unknown) => e instanceof OciError && e.code === "reference-invalid" && e.wrongUse,
      JSON.stringify(text),
    );
  }
});

const almost: readonly [written: string, why: RegExp, hint: RegExp][] = [
  ["", /: it is empty$/, /^write registry\/repository:tag, or oci:FOLDER:tag$/],
  ["localhost:5001", /the repository is missing: localhost:5001\/NAME$/, /^write /],
  ["127.0.0.1:5001", /the repository is missing/, /^write /],
  ["registry.example:443", /the repository is missing/, /^write /],
  ["[::1]:5001", /the repository is missing/, /^write /],
  ["./layout:1", /needs oci: before it$/, /^did you mean oci:\.\/layout:1\?$/],
  ["../x", /needs oci: before it$/, /^did you mean oci:\.\.\/x\?$/],
  [
    "localhost:5001/team/app:",
    /the tag after the colon is missing$/,
    /^write a tag, or leave the colon out$/,
  ],
  [`app:${PIN}`, /the tag after the colon is missing$/, /^write a tag, or leave the colon out$/],
  ["/abs/layout:1", /needs oci: before it$/, /^did you mean oci:\/abs\/layout:1\?$/],
  ["localhost:5001/x:feature/foo", /"feature\/foo" is not a tag$/, /^a tag has up to 128 letters/],
  ["app:feature/foo", /"feature\/foo" is not a tag$/, /^a tag has up to 128 letters/],
  ["me/app:v1+build", /"v1\+build" is not a tag$/, /^a tag has up to 128 letters/],
  ["app:v1+build", /"v1\+build" is not a tag$/, /^a tag has up to 128 letters/],
  [`a/b:${"t".repeat(129)}`, /is not a tag \(it has 129 characters\)$/, /^a tag has up to 128 letters/],
  [`ghcr.io/${"a".repeat(256)}`, /has at most 255 characters, and this one 256$/, /^write /],
  ["ghcr.io:port/a", /"ghcr.io:port" is not a registry$/, /^write /],
  [
    "dir:foo",
    /dir: is another tool's way/,
    /^copy .* oci:FOLDER:TAG; Docker Hub's .* docker\.io\/library\/dir:foo$/,
  ],
  ["docker-archive:/a/b.tar", /docker-archive: is another tool's way/, /oci-archive:FILE:TAG$/],
  ["docker-daemon:app:1", /docker-daemon: is another/, /^push it to a registry/],
  ["containers-storage:app:1", /containers-storage: is another/, /`podman push`/],
  ["ostree:app@/repo", /ostree: is another/, /skopeo$/],
  ["sif:/a.sif", /sif: is another/, /skopeo$/],
  ["tarball:/a.tar", /tarball: is another/, /imgvol pack -/],
  ["docker://localhost:5001/x:1", /no scheme like docker:\/\/$/, /^leave it out: localhost:5001\/x:1$/],
  ["https://ghcr.io/a/b", /no scheme like https:\/\/$/, /^leave it out: ghcr\.io\/a\/b$/],
  [
    "u:hunter2@localhost:5001/x:1",
    /^not a reference: "\*\*\*@localhost:5001\/x:1": no user/,
    /`imgvol login`/,
  ],
  ["https://u:hunter2@localhost:5001/x:1", /"https:\/\/\*\*\*@localhost:5001\/x:1"/, /`imgvol login`/],
  ["u:hun/ter2@localhost:5001", /"\*\*\*@localhost:5001"/, /`imgvol login`/],
  ["//u:hunter2@localhost:5001/x", /needs oci: before it$/, /^write oci: before it$/],
  ["./u:hunter2@localhost:5001/x", /needs oci: before it$/, /^write oci: before it$/],
  [`u:hunter2@localhost:5001/x${PIN}`, /"\*\*\*@localhost:5001\/x@sha256:/, /`imgvol login`/],
];

test("what is an image of Docker Hub in other tools, too, stays one", () => {
  for (const text of ["docker:24-dind", "docker.io/library/dir:foo", "me/dir:1", "dir", "sif"]) {
    assert.equal(formatReference(parseReference(text)), text);
  }
});

test("what was meant is said where it can be guessed", () => {
  for (const [text, why, hint] of almost) {
    assert.throws(
      () => parseReference(text),
      (e: unknown) => {
        assert.ok(e instanceof OciError && e.code === "reference-invalid" && e.wrongUse, text);
        assert.match(e.message, why);
        assert.match(e.hint ?? "", hint);
        return true;
      },
    );
  }
});

const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
const component = fc.stringMatching(/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+){0,2}$/);
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((c) => c.join("/"));
const registry = fc.constantFrom("localhost", "localhost:5001", "ghcr.io", "[::1]:80", "a.b-c.example:443");
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((h) => `@sha256:${h}`);
const end = fc
  .tuple(fc.option(tag), fc.option(digest))
  .map(([t, d]) => `${t === null ? "" : `:${t}`}${d ?? ""}`);

test("print(parse(x)) = x for every remote reference", () => {
  fc.assert(
    fc.property(registry, repository, end, (host, name, rest) => {
      const text = `${host}/${name}${rest}`;
      assert.equal(formatReference(parseReference(text)), text);
    }),
  );
});

test("parse(print(r)) = r for every folder, whatever its name", () => {
  const path = fc
    .string({ minLength: 1, unit: "grapheme" })
    .filter((p) => !p.includes("\0") && !/@[a-z0-9]+:/.test(p));
  fc.assert(
    fc.property(path, fc.option(tag, { nil: undefined }), (p, t) => {
      const r = { scheme: "oci" as const, path: p, ...(t === undefined ? {} : { tag: t }) };
      assert.deepEqual(parseReference(formatReference(r)), r);
    }),
  );
});

test("pinning keeps the tag for people and asks for the digest", () => {
  const r = pinned(parseReference("ghcr.io/a/b:1"), `sha256:${HEX}`);
  assert.equal(formatReference(r), `ghcr.io/a/b:1${PIN}`);
  assert.equal(wantedOf(r), `sha256:${HEX}`);
});
