import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ImgvolError, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { failureOf } from "../../src/cli/failure.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { ended, imgvol, start } from "./imgvol.ts";

/** A folder with what people pack, and a layout's place beside it. */
async function project(): Promise<{ path: string; agent: string; layout: string } & AsyncDisposable> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-cli-");
  const agent = join(folder.path, "agent");
  await mkdir(join(agent, "lib", "empty"), { recursive: true });
  await writeFile(join(agent, "agent.properties"), "level=info\n");
  await writeFile(join(agent, "lib", "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await symlink("run.sh", join(agent, "lib", "latest"));
  const { path } = folder;
  return {
    path,
    agent,
    layout: `oci:${join(path, "layout")}`,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("a folder is packed, looked into and compared, all by its reference", async () => {
  await using p = await project();
  const packed = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`]);
  assert.equal(packed.code, 0, packed.stderr);
  const pinned = packed.stdout.trim();
  assert.match(pinned, /^oci:.*@sha256:[0-9a-f]{64}$/);
  for (const ref of [`${p.layout}:1`, pinned]) {
    const listed = await imgvol(["ls", ref]);
    assert.equal(listed.stdout, "agent.properties\nlib/\nlib/empty/\nlib/latest\nlib/run.sh\n");
  }
  const long = (await imgvol(["ls", "-l", pinned, "lib"])).stdout;
  assert.match(long, /^-rwxr-xr-x +0:0 +10 lib\/run\.sh$/m);
  assert.match(long, /lib\/latest -> run\.sh$/m);
  assert.equal((await imgvol(["cat", pinned, "agent.properties"])).stdout, "level=info\n");
  const inspected = JSON.parse((await imgvol(["inspect", pinned, "--json"])).stdout);
  assert.deepEqual(
    inspected.platforms.map((one: { platform: string }) => one.platform),
    ["linux/amd64", "linux/arm64"],
  );

  await writeFile(join(p.agent, "agent.properties"), "level=warn\n");
  await imgvol(["pack", p.agent, "-t", `${p.layout}:2`]);
  const same = await imgvol(["diff", pinned, `${p.layout}:1`]);
  assert.deepEqual([same.code, same.stdout], [0, ""]);
  const differs = await imgvol(["diff", `${p.layout}:1`, `${p.layout}:2`]);
  assert.deepEqual([differs.code, differs.stdout], [1, "~ agent.properties (content)\n"]);
  assert.equal((await imgvol(["tags", p.layout])).stdout, "1\n2\n");
  assert.equal((await imgvol(["delete", `${p.layout}:2`])).code, 0);
  assert.equal((await imgvol(["tags", p.layout])).stdout, "1\n");
});

test("the same folder gives the same digest, packed twice, copied there and back", async () => {
  await using p = await project();
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const remote = `127.0.0.1:${registry.port}/agent`;
  const digest = (line: string): string | undefined => line.trim().split("@").at(-1);
  const first = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`, "-t", `${remote}:1`]);
  const both = first.stdout.trim().split("\n").map(digest);
  assert.equal(both.length, 2, first.stderr);
  assert.equal(both[0], both[1]);
  const back = await imgvol(["copy", `${remote}:1`, `oci:${join(p.path, "back")}:1`]);
  assert.equal(digest(back.stdout), both[0], back.stderr);
  const again = await imgvol(["copy", `${remote}:1`, `oci:${join(p.path, "back")}:1`, "--json"]);
  assert.equal(JSON.parse(again.stdout).copied, 0);
  const forced = await imgvol(["copy", `${remote}:1`, `oci:${join(p.path, "back")}:1`, "--json", "--force"]);
  assert.equal(JSON.parse(forced.stdout).skipped, 0);
});

test("in a registry no tag is latest, for a copy too; a digest gives no tag", async () => {
  await using p = await project();
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const remote = (name: string): string => `127.0.0.1:${registry.port}/${name}`;
  const packed = await imgvol(["pack", p.agent, "-t", remote("packed")]);
  const digest = packed.stdout.trim().split("@").at(-1);
  for (const [to, tags] of [
    [remote("copied"), "latest\n"],
    [`${remote("pinned")}@${digest}`, ""],
    [`${remote("both")}:1@${digest}`, "1\n"],
  ] as const) {
    const copied = await imgvol(["copy", remote("packed"), to]);
    assert.equal(copied.stdout.trim(), `${to.replace(/(?::1)?@.*/, "")}@${digest}`, copied.stderr);
    assert.equal((await imgvol(["tags", to.replace(/(?::1)?@.*/, "")])).stdout, tags);
  }
  const other = await imgvol(["copy", remote("packed"), `${remote("other")}@sha256:${"0".repeat(64)}`]);
  assert.equal(other.code, 3);
  assert.match(other.stderr, /cannot be sha256:.*\nhint: leave the digest of the destination out/);
});

test("flags may stand before the arguments, several times", async () => {
  await using p = await project();
  const flags = ["-t", `${p.layout}:1`, "-t", `${p.layout}:2`, "--annotation", "a=1", "--annotation", "b=2"];
  const packed = await imgvol(["pack", ...flags, "--plain-http", "registry.example", p.agent]);
  assert.equal(packed.code, 0, packed.stderr);
  assert.equal((await imgvol(["tags", p.layout])).stdout, "1\n2\n");
  const { annotations } = JSON.parse((await imgvol(["inspect", "--json", `${p.layout}:1`])).stdout);
  assert.deepEqual([annotations.a, annotations.b], ["1", "2"]);
});

test("a reader that went away is no failure, and what lay in temporary files is cleaned up", async () => {
  await using p = await project();
  const temporary = join(p.path, "tmp");
  await mkdir(temporary);
  const tar = spawnSync("tar", ["-c", "-C", p.agent, "."], { maxBuffer: 1 << 24 }).stdout;
  const child = start(["pack", "-", "-t", `${p.layout}:1`], { env: { TMPDIR: temporary } });
  child.stdout?.destroy();
  assert.equal((await ended(child, tar)).code, 0);
  assert.deepEqual(await readdir(temporary), []);
  assert.equal((await imgvol(["tags", p.layout])).stdout, "1\n");
});

test("a tar on stdin is packed as the folder that it came from", async () => {
  await using p = await project();
  const tar = spawnSync("tar", ["-c", "-C", p.agent, "."], { maxBuffer: 1 << 24 }).stdout;
  const folder = await imgvol(["pack", p.agent, "-t", `${p.layout}:folder`]);
  const piped = await imgvol(["pack", "-", "-t", `${p.layout}:tar`], { input: tar });
  assert.equal(piped.stdout, folder.stdout, piped.stderr);
});

const refused: readonly [
  args: (p: { agent: string; layout: string; path: string }) => string[],
  code: number,
  said: RegExp,
][] = [
  [(p) => ["pack", join(p.path, "none"), "-t", `${p.layout}:1`], 2, /no such file or folder/],
  [(p) => ["pack", p.agent, "-t", `${p.layout}:1`, "--split", "0"], 2, /--split: not a size/],
  [(p) => ["pack", p.agent, "-t", `${p.layout}:1`, "--owner", "root"], 2, /--owner: not numbers/],
  [(p) => ["pack", p.agent, "-t", `${p.layout}:1`, "--platform", "Linux"], 2, /not a platform/],
  [(p) => ["pack", `${p.agent}=a`, `${p.agent}=a`, "-t", `${p.layout}:1`], 2, /two sources for one path/],
  [
    (p) => ["pack", "preset:nothing", "-t", `${p.layout}:1`],
    2,
    /no preset nothing\nhint: the presets are otel-java/,
  ],
  [(p) => ["pack", p.agent, "-t", `${p.layout}:1`, "--annotation", "x"], 2, /--annotation: not KEY=VALUE/],
  [
    (p) => ["pack", p.agent, "-t", `oci:${join(p.agent, "agent.properties")}:1`],
    2,
    /agent\.properties is a file, not a folder$/m,
  ],
  [
    (p) => ["pack", p.agent, "-t", `${p.layout}:1`, "--ignore-file", join(p.path, "none")],
    2,
    /the ignore file/,
  ],
  [(p) => ["ls", `${p.layout}:1`], 3, /no such folder/],
  [() => ["inspect", "127.0.0.1:1/none:1"], 3, /127\.0\.0\.1:1/],
];

test("what cannot be done is said with its code and leaves nothing behind", async () => {
  await using p = await project();
  for (const [args, code, said] of refused) {
    const ran = await imgvol(args(p));
    assert.equal(ran.code, code, `${args(p).join(" ")}\n${ran.stderr}`);
    assert.match(ran.stderr, said);
    assert.equal(ran.stdout, "");
  }
  const left = await readdir(p.path);
  assert.deepEqual(left, ["agent"]);
});

test("a message is short, whatever it quotes, and says a system error's code once", async () => {
  const long = await imgvol(["inspect", `x${"Y".repeat(70_000)}`]);
  assert.equal(long.code, 2);
  assert.ok(long.stderr.length < 1000, `${long.stderr.length} characters`);
  assert.match(long.stderr, /… \(\d+ more characters\)\nhint: /);
  const cause = Object.assign(new Error("EACCES: permission denied, scandir 'x'"), { code: "EACCES" });
  const failure = failureOf(
    new ImgvolError("file-unreadable", "cannot read x: EACCES", { cause }),
    false,
    undefined,
  );
  assert.equal(failure.text, "error: cannot read x: EACCES: permission denied, scandir 'x'");
  const line =
    "40F7A1:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../x.c:916:SSL alert number 42\n";
  for (const [said, text] of [
    [line.replace("40F7A1", "40F7A1B2C3D4"), "error: refused"],
    ["a line, and its end\n", "error: refused: a line, and its end"],
  ] as const) {
    const told = failureOf(
      new ImgvolError("tls-failed", "refused", { cause: new Error(said) }),
      false,
      undefined,
    );
    assert.equal(told.text, text);
  }
  // Of what a server said, nothing moves the cursor, not in the stack either.
  const forged = failureOf(new ImgvolError("file-unreadable", "x\u001b[2Ky"), true, undefined);
  assert.ok(!forged.text.includes("\u001b"), forged.text);
  assert.match(forged.text, /\n {4}at /);
});

test("with --strict a secret is not published; without, it is told", async () => {
  await using p = await project();
  await writeFile(join(p.agent, ".env"), "TOKEN=x\n");
  const strict = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`, "--strict"]);
  assert.equal(strict.code, 3);
  assert.match(strict.stderr, /nothing was published.*\.env/);
  assert.match((await imgvol(["ls", `${p.layout}:1`])).stderr, /^error/);
  await writeFile(join(p.agent, "id_rsa"), "x\n");
  for (const more of [[], ["--quiet"], ["--json"]]) {
    const both = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`, "--strict", ...more]);
    assert.equal(both.code, 3);
    assert.match(both.stderr, /^warning: \.env .*\n.*fix:.*\nwarning: id_rsa .*\n/m);
    assert.match(both.stderr, /^error: nothing was published: there are 2 warnings\nhint: /m);
    if (more[0] !== "--json") assert.equal(both.stdout, "");
    else {
      const { references, told } = JSON.parse(both.stdout);
      const subjects = told.map(({ subject }: { subject: string }) => subject);
      assert.deepEqual([references, subjects], [[], [".env", "id_rsa"]]);
    }
  }
  const told = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`, "--quiet"]);
  assert.equal(told.code, 0);
  assert.match(told.stderr, /warning: .*\.env.*\[secret\]/);
});

test("where one of several destinations fails, those that have the image are named, and the way to the others", async () => {
  await using p = await project();
  const there = `${p.layout}:1`;
  const args = ["pack", p.agent, "-t", there, "-t", "localhost:1/agent:1", "-t", `${p.layout}-too`];
  const failed = await imgvol([...args, "--json"]);
  assert.equal(failed.code, 3, failed.stderr);
  const { references, digest } = JSON.parse(failed.stdout);
  assert.deepEqual(references, [`${p.layout}@${digest}`]);
  assert.match(
    failed.stderr,
    /^warning: localhost:1\/agent:1 has not got the image, which is in .*\[published-in-part\]$/m,
  );
  for (const missing of ["localhost:1/agent:1", `${p.layout}-too:latest`]) {
    assert.ok(failed.stderr.includes(`fix: imgvol copy ${p.layout}@${digest} ${missing}\n`), failed.stderr);
  }
  assert.match(failed.stderr, /^error: .*localhost:1/m);
  assert.equal((await imgvol(["ls", there])).code, 0);
});

test("SOURCE_DATE_EPOCH is a date for the image, and nonsense in it is refused", async () => {
  await using p = await project();
  const made = await imgvol(["pack", p.agent, "-t", `${p.layout}:1`], {
    env: { SOURCE_DATE_EPOCH: "1700000000" },
  });
  assert.equal(made.code, 0, made.stderr);
  const inspected = JSON.parse((await imgvol(["inspect", `${p.layout}:1`, "--json"])).stdout);
  assert.equal(inspected.platforms[0].config.created, "2023-11-14T22:13:20Z");
  const wrong = await imgvol(["pack", p.agent, "-t", `${p.layout}:2`], { env: { SOURCE_DATE_EPOCH: "now" } });
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
});

test("passwords come by stdin, are checked with the registry, and are kept for the owner alone", async () => {
  await using p = await project();
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0 }, quietCall());
  const env = { DOCKER_CONFIG: p.path, REGISTRY_AUTH_FILE: "" };
  const host = `127.0.0.1:${registry.port}`;
  assert.equal((await imgvol(["login", host, "-u", "me"], { env })).code, 2);
  const kept = await imgvol(["login", host, "-u", "me", "--password-stdin"], { env, input: "hush\n" });
  assert.equal(kept.code, 0, kept.stderr);
  assert.doesNotMatch(kept.stdout + kept.stderr, /hush/);
  assert.match(kept.stderr, /asked for no credentials; they are kept all the same in /);
  const empty = await imgvol(["login", host, "-u", "me", "--password-stdin"], { env, input: "\n" });
  assert.equal(empty.code, 2, empty.stderr);
  const file = join(p.path, "config.json");
  assert.equal(
    JSON.parse(await readFile(file, "utf8")).auths[host].auth,
    Buffer.from("me:hush").toString("base64"),
  );
  assert.equal((await imgvol(["logout", host], { env })).code, 0);
  assert.deepEqual(JSON.parse(await readFile(file, "utf8")).auths, {});
});
