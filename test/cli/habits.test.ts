import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { styleText } from "node:util";
import { temporaryFolder } from "../../src/base/index.ts";
import { parsePlainHost } from "../../src/cli/flag-values.ts";
import { programFor } from "../../src/cli/program.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { imgvol } from "./imgvol.ts";

test("help is an answer: stdout, exit 0, every verb in it", async () => {
  for (const args of [["--help"], ["-h"]]) {
    const { code, stdout, stderr } = await imgvol(args);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (const { name } of verbs) assert.match(stdout, new RegExp(`^ +${name}\\b`, "m"));
  }
});

test("no verb at all is wrong use, and shows the help", async () => {
  const { code, stdout, stderr } = await imgvol([]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /Usage: imgvol/);
});

const TOO_LONG = "n".repeat(256);

const mistakes: readonly [args: string[], said: RegExp][] = [
  [["pakc"], /^error: unknown command 'pakc'\nhint: did you mean pack\?/],
  [["push", "a", "b"], /^error: unknown command 'push'\nhint: did you mean imgvol copy SRC DST\?\n$/],
  [["pull", "--help"], /^error: unknown command 'pull'\nhint: did you mean imgvol copy SRC DST\?\n$/],
  [["tag", "a", "b"], /^error: unknown command 'tag'\nhint: did you mean imgvol copy SRC DST\?\n$/],
  [
    ["login", "localhost:1", "-u", "me", "--password", "X"],
    /^error: unknown option '--password'\nhint: did you mean --password-stdin\?\n$/,
  ],
  [
    ["login", "https://me:secret@registry.example:5000/", "-u", "me", "--password-stdin"],
    /^error: a registry is named by its host alone, without https:\/\/\nhint: write registry.example:5000\n$/,
  ],
  [
    ["logout", "https://me:7/se@cret@localhost:5001"],
    /^error: .* without https:\/\/\nhint: write localhost:5001\n$/,
  ],
  [
    ["pack", "https://me:secret@localhost:1/x.tar", "-t", "oci:x"],
    /^error: a source is no URL: https:\/\/\*\*\*@localhost:1\/x.tar\nhint: download it first; .*\n$/,
  ],
  [["logout", "http://localhost:5001"], /^error: .* without http:\/\/\nhint: write localhost:5001\n$/],
  [["version", "--jsno"], /^error: unknown option '--jsno'\nhint: did you mean --json\?/],
  [["nothing-like-it"], /^error: unknown command 'nothing-like-it'\nhint: imgvol --help lists the verbs/],
  [["nothing-like-it", "--help"], /^error: unknown command 'nothing-like-it'\nhint: /],
  [
    ["--quiet", "version"],
    /^error: unknown option '--quiet'\nhint: flags come after the verb, as in imgvol version --quiet/,
  ],
  [["inspect"], /^error: missing required argument 'ref'\nhint: see imgvol inspect --help/],
  [["copy", "oci:a", "oci:b", "--jobs", "many"], /^error: --jobs: not a whole number: "many"/],
  [["copy", "oci:a", "oci:b", "--jobs", "0"], /^error: --jobs: not a number of 1 or more/],
  [["ls", "oci:a", "--platform", "Linux"], /^error: not a platform: Linux\nhint: /],
  [["dashboard", "--ui-port", "65536"], /^error: --ui-port: not a port: "65536"/],
  [["cache", "prune", "--older-than", "soon"], /^error: --older-than: not a time/],
  [["registry", "serve", "--tls-cert", "none.pem"], /^error: --tls-cert and --tls-key go together\nhint: /],
  [
    ["registry", "serve", "--tls-cert", "none.pem", "--tls-key", "none.pem"],
    /^error: cannot read none.pem: .*\nhint: /,
  ],
  [
    ["registry", "serve", "--dirr", "x"],
    /^error: unknown option '--dirr'\nhint: (?:did you mean --dir\?|see imgvol registry serve --help)/,
  ],
  [["registry", "serve", "a", "b"], /^error: too many arguments.*\nhint: see imgvol registry serve --help/],
  [["export", "oci:a", "-", "--json"], /^error: stdout takes either the tar or the answer as JSON\nhint: /],
  [["inspect", "Not/A/Ref"], /^error: not a reference: "Not\/A\/Ref".*\nhint: /],
  [["ls", `oci:${TOO_LONG}:1`], /^error: n+ is too long a name for a file or folder\nhint: /],
  [["ls", `oci-archive:${TOO_LONG}:1`], /^error: n+ is too long a name for a file or folder\nhint: /],
  [["pack", "README.md", "-t", `oci:${TOO_LONG}:1`], /^error: n+.* is too long a name.*\nhint: /],
  [["pack", "README.md", "-t", `oci-archive:${TOO_LONG}:1`], /^error: n+ is too long a name.*\nhint: /],
  [["registry", "gc", "--dir", TOO_LONG], /^error: n+\/_lock is too long a name.*\nhint: /],
  [
    ["inspect", "u:hunter2@localhost:5001/x:1"],
    /^error: not a reference: "\*\*\*@localhost:5001\/x:1".*\nhint: .*imgvol login/,
  ],
  [
    ["inspect", "https://u:hunter2@localhost:5001/x:1"],
    /^error: .*"https:\/\/\*\*\*@localhost:5001\/x:1".*\nhint: .*login/,
  ],
  [
    ["login", "u:hunter2@localhost:5001", "-u", "a"],
    /^error: not a registry: "\*\*\*@localhost:5001"\nhint: .*login/,
  ],
  [["logout", "u:hunter2@localhost:5001"], /^error: not a registry: "\*\*\*@localhost:5001"\nhint: /],
  [
    ["registry", "serve", "--mirror", "https://u:hunter2@reg.example"],
    /^error: not a registry to mirror: "https:\/\/\*\*\*@reg\.example"\nhint: /,
  ],
  [
    ["inspect", "a/b", "--plain-http", "https://u:hunter2@reg.example"],
    /^error: --plain-http: not a registry.*: "https:\/\/\*\*\*@reg\.example"/,
  ],
  [["version", "--color", "pink"], /^error: .*argument 'pink' is invalid/],
];

test("a mistake in the words is exit 2, named, with the nearest right word", async () => {
  for (const [args, said] of mistakes) {
    const { code, stdout, stderr } = await imgvol(args);
    assert.equal(code, 2, `${args.join(" ")}\n${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /^ +at /m, "no stack trace");
  }
});

test("every destination is looked at before the first is written", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-dest-");
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("f"), "x");
  const wrong: readonly [destination: string, code: number, said: RegExp][] = [
    ["localhost:1/UPPER:1", 2, /^error: not a reference/],
    ["localhost:1/team/app:", 2, /the tag after the colon is missing\nhint: write a tag, or leave/],
    [`oci:x@sha256:${"0".repeat(64)}`, 2, /^error: what is packed has no digest yet/],
    [`oci:${at("f")}:1`, 2, /^error: .*is a file, not a folder\nhint: .*oci-archive:/m],
  ];
  for (const [destination, exit, said] of wrong) {
    const { code, stderr } = await imgvol([
      "pack",
      "--quiet",
      at("f"),
      "-t",
      `oci:${at("l")}:1`,
      "-t",
      destination,
    ]);
    assert.match(stderr, said);
    assert.deepEqual([code, readdirSync(folder.path)], [exit, ["f"]], destination);
  }
  const odd = await imgvol(["pack", "--quiet", at("f"), "-t", `oci:${at("l")}:bad+tag`]);
  assert.equal(odd.code, 0);
  assert.match(
    odd.stderr,
    /^warning: "bad\+tag" is no tag, so this makes ".*l:bad\+tag".* \[tag-invalid\]\n {2}fix: /,
  );
});

test("whatever run itself refuses is exit 125, so that a 2 can only be the command's own", async () => {
  const wrong: readonly [args: string[], said: RegExp][] = [
    [["--otlp-endpoint", "localhost:4318", "--", "true"], /^error: --otlp-endpoint: not a URL/],
    [["--no-such-flag", "--", "true"], /^error: unknown option/],
    [[], /^error: missing required argument 'command'\nhint: see imgvol run --help/],
    [["-v", "localhost:1/a:ro", "--", "true"], /\nhint: the path has to be absolute: write REF:\/PATH/],
    [["-v", "Not/A:/x", "--", "true"], /^error: not a reference/],
    // Nothing is asked for them before that: there is no registry.
    [
      ["-v", "localhost:1/a:1:/opt/x", "-v", "localhost:1/b:1:/opt/x/", "--", "true"],
      /^error: two volumes are to be mounted at \/opt\/x\/\n$/,
    ],
    [
      ["-v", "localhost:1/a:1:/opt/x", "-v", "localhost:1/b:1:/proc/x", "--", "true"],
      /^error: cannot mount at/,
    ],
    [["-v", "localhost:1/a:1:/x:rw", "--", "true"], /\nhint: image volumes are read-only: leave out :rw\n/],
    [["-v", "localhost:1/a:1:/x:rw,Z", "--", "true"], /\nhint: image volumes are read-only/],
    [["-v", "localhost:1/a:1:/x:z", "--", "true"], /\nhint: after the path only :ro may follow; .*PATH:z\n/],
    [["-v", "localhost:1/a:1:/x:ro:ro", "--", "true"], /\nhint: after the path only :ro may follow/],
  ];
  for (const [args, said] of wrong) {
    const { code, stderr } = await imgvol(["run", ...args]);
    assert.equal(code, 125, stderr);
    assert.match(stderr, said);
  }
});

test("an answer that cannot be written is a failure that says why, whichever way it is written", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-full-");
  const image = `oci:${folder.path}/l:1`;
  await writeFile(join(folder.path, "f"), "x");
  assert.equal((await imgvol(["pack", join(folder.path, "f"), "-t", image])).code, 0);
  for (const args of [
    ["--help"],
    ["ls", "--help"],
    ["--version"],
    ["ls", image],
    ["ls", image, "--json"],
    ["cat", image, "f"],
    ["export", image, "-"],
  ]) {
    const full = openSync("/dev/full", "w");
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const stdio = ["ignore", full, "pipe"] as const;
    const ran = spawnSync(process.execPath, [main, ...args], { stdio: [...stdio], encoding: "utf8" });
    closeSync(full);
    assert.equal(ran.status, 3, `${args.join(" ")}\n${ran.stderr}`);
    assert.match(
      ran.stderr,
      /^error: cannot write the answer: no room left where stdout goes\nhint: free some space, .*\n$/,
    );
  }
});

test("help and its verb are what --help gives", async () => {
  for (const [typed, meant] of [
    [["help"], ["--help"]],
    [
      ["help", "pack"],
      ["pack", "--help"],
    ],
    [
      ["help", "cache", "ls"],
      ["cache", "ls", "--help"],
    ],
  ] as const) {
    const { code, stdout } = await imgvol(typed);
    assert.deepEqual([code, stdout], [0, (await imgvol(meant)).stdout]);
    assert.match(stdout, /^Usage: imgvol/m);
  }
});

test("colours only where they are wanted: by the flag, or on a terminal without NO_COLOR", async () => {
  const failing = (...flags: string[]) =>
    imgvol(["inspect", "oci:none", ...flags], { env: { NO_COLOR: "" } });
  assert.match((await failing()).stderr, /^error: /, "no terminal");
  assert.match((await failing("--color", "never")).stderr, /^error: /);
  const red = `${styleText("red", "error:", { validateStream: false })} oci:none`;
  assert.ok((await failing("--color", "always")).stderr.startsWith(red));
});

test("version answers in words and in JSON", async () => {
  assert.match((await imgvol(["version"])).stdout, /^imgvol \d+\.\d+\.\d+ \(Node\.js /);
  const { imgvol: number, node } = JSON.parse((await imgvol(["version", "--json"])).stdout);
  assert.match(number, /^\d+\.\d+\.\d+$/);
  assert.ok(node);
});

test("the help of every verb fits a screen and ends with two examples", async () => {
  for (const { name } of verbs) {
    const program = await programFor([name], () => async () => undefined);
    const command = program.commands.find((c) => c.name() === name);
    assert.ok(command, name);
    for (const leaf of [command, ...command.commands]) {
      let text = "";
      leaf.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 120 }).outputHelp();
      assert.ok(text.split("\n").length <= 40, `${name} ${leaf.name()}: too long\n${text}`);
      const examples = text.trimEnd().split("Examples:\n")[1]?.split("\n") ?? [];
      assert.equal(examples.length, 2, `${name} ${leaf.name()}: two examples\n${text}`);
      for (const example of examples) assert.match(example, /^ {2}(?:\S.* )?imgvol /, text);
    }
  }
});

test("docs/cli.md is what the commands say", () => {
  const root = join(import.meta.dirname, "../..");
  const run = spawnSync(process.execPath, ["tools/cli-reference.ts", "--check"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(run.status, 0, run.stderr);
});

test("a host of plain HTTP may be named by its URL", () => {
  for (const text of [
    "registry.example:5010",
    "http://registry.example:5010",
    "http://registry.example:5010/",
  ]) {
    assert.equal(parsePlainHost(text, "--plain-http"), "registry.example:5010");
  }
});
