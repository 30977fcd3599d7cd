import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { link, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { encoderFor } from "../../src/codec/index.ts";
import type { Entry } from "../../src/tar/index.ts";
import { archive, file, read } from "../tar/entries.ts";

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "imgvol-gnu-tar-"));
});
after(() => rm(home, { recursive: true, force: true }));

const LONG = `${"folder-of-thirty-characters-xx/".repeat(5)}${"n".repeat(120)}`;
const common = { mode: 0o644, uid: 0, gid: 0, mtime: 86400 };

/** GNU tar, in a plain locale and without settings of the user's. */
function tar(...args: string[]): string {
  return execFileSync("tar", args, {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8", TZ: "UTC" },
  });
}

test("GNU tar unpacks what we write, without a warning", async () => {
  const entries: Entry[] = [
    { ...common, mode: 0o755, type: "dir", path: "d" },
    file("d/plain", "hello", common),
    file("d/grün", "umlaut", common),
    file(LONG, "long", common),
    { ...common, type: "symlink", path: "link", target: "d/plain" },
    { ...common, type: "symlink", path: "long-link", target: `d/${"t".repeat(200)}` },
    { ...common, type: "hardlink", path: "second-name", target: "d/plain" },
  ];
  const path = join(home, "ours.tar");
  await writeFile(path, await archive(entries));
  const into = join(home, "ours");
  await mkdir(into);
  assert.equal(tar("--extract", "--file", path, "--directory", into, "--no-same-owner"), "");
  const text = (name: string): Promise<string> => readFile(join(into, name), "utf8");
  assert.equal(await text("d/plain"), "hello");
  assert.equal(await text("d/grün"), "umlaut");
  assert.equal(await text(LONG), "long");
  assert.equal(await text("second-name"), "hello");
  assert.equal(await readlink(join(into, "long-link")), `d/${"t".repeat(200)}`);
  assert.match(
    tar("--list", "--verbose", "--numeric-owner", "--file", path),
    /^drwxr-xr-x 0\/0 +0 1970-01-02 00:00 d\/$/m,
  );
});

for (const format of ["v7", "ustar", "oldgnu", "gnu", "posix"]) {
  test(`we read what GNU tar writes: ${format}`, async () => {
    const from = join(home, format);
    const long =
      format === "v7" ? "short" : format === "ustar" ? `${"f".repeat(90)}/${"n".repeat(90)}` : LONG;
    await mkdir(join(from, long, ".."), { recursive: true });
    await writeFile(join(from, long), "x".repeat(3000));
    await writeFile(join(from, "empty"), "");
    await link(join(from, "empty"), join(from, "hard"));
    await symlink(long.slice(0, 90), join(from, "soft"));
    const path = join(home, `${format}.tar`);
    tar("--create", "--file", path, `--format=${format}`, "--sort=name", "--directory", from, ".");
    const found = new Map(read(await readFile(path), 1000).map((f) => [f.header.path, f]));
    assert.equal(found.get(`./${long}`)?.content.toString(), "x".repeat(3000));
    assert.partialDeepStrictEqual(found.get("./empty")?.header, { type: "file", size: 0 });
    assert.partialDeepStrictEqual(found.get("./hard")?.header, { type: "hardlink", target: "./empty" });
    assert.partialDeepStrictEqual(found.get("./soft")?.header, {
      type: "symlink",
      target: long.slice(0, 90),
    });
    assert.equal(found.get("./")?.header.type, "dir");
  });
}

for (const [compression, option] of [
  ["gzip", "--gzip"],
  ["auto", "--gzip"],
] as const) {
  test(`GNU tar and gzip read our ${compression}`, async () => {
    const bytes = await archive([file("a", "hello".repeat(500_000))]);
    const path = join(home, `${compression}.tgz`);
    const call = { signal: new AbortController().signal };
    await writeFile(path, encoderFor({ compression }).encode(pieces(bytes), call));
    execFileSync("gzip", ["--test", path]);
    assert.equal(tar("--list", option, "--file", path), "a\n");
  });
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}
