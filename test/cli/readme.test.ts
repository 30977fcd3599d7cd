import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { programFor } from "../../src/cli/program.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { startRegistry } from "../../src/serve/index.ts";

const root = join(import.meta.dirname, "../..");

/** Commands that need the network or an installation, or never end: other suites run them. */
const ELSEWHERE = [
  /^npm /,
  /^pass /,
  /^imgvol (?:cluster|demo|dashboard|registry (?:serve|htpasswd))\b/,
  /\bpreset:/,
  /\botel-java\b/,
  /ghcr\.io/,
  /^imgvol (?:login|logout|mount|unmount|umount)\b/,
];

/** A place in which what the pages say can be typed: `imgvol` is a program, `./agent` is there, and a registry is up. */
async function place(): Promise<Place> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-readme-");
  const bin = join(folder.path, "bin");
  const work = join(folder.path, "work");
  await mkdir(bin);
  await mkdir(join(work, "agent", "lib"), { recursive: true });
  await writeFile(join(work, "agent", "agent.properties"), "level=info\n");
  await writeFile(join(work, "agent", "lib", "agent.jar"), "not really\n");
  await symlink("agent.jar", join(work, "agent", "lib", "latest.jar"));
  const main = join(root, "src/cli/main.ts");
  await writeFile(join(bin, "imgvol"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, {
    mode: 0o755,
  });
  // The page's port may be taken on this machine: any other serves as well.
  const dir = join(work, "registry");
  const registry = await startRegistry({ host: "127.0.0.1", port: 0, dir }, quietCall());
  const env = {
    ...process.env,
    PATH: [bin, process.env["PATH"]].join(delimiter),
    IMGVOL_CACHE: join(folder.path, "cache"),
    NO_COLOR: "1",
  };
  return {
    type: (line) => typed(line.replaceAll("localhost:5001", `localhost:${registry.port}`), work, env),
    write: (name, text) => writeFile(join(work, name), text),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

interface Place extends AsyncDisposable {
  type(line: string): Promise<Typed>;
  write(name: string, text: string): Promise<void>;
}

interface Typed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function typed(line: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Typed> {
  return new Promise((done) => {
    const child = execFile("sh", ["-c", line], { cwd, env }, (_error, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

function runHere(line: string): boolean {
  return !ELSEWHERE.some((pattern) => pattern.test(line));
}

test("what README shows works as it stands, line after line", async () => {
  const page = await readFile(join(root, "README.md"), "utf8");
  const lines = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) =>
    block.split("\n").filter((line) => line !== "" && !line.startsWith("#")),
  );
  const here = lines.filter(runHere);
  assert.ok(here.length >= 7, here.join("\n"));
  await using shell = await place();
  for (const line of here) {
    const ran = await shell.type(line);
    assert.equal(ran.code, 0, `${line}\n${ran.stderr}`);
  }
});

/** What an example takes for granted. */
const BEFORE = [
  "imgvol pack ./agent -t localhost:5001/agent:1 -t localhost:5001/agent:2 -t oci:./layout:1 -t oci:./layout:old",
];

test("the two examples of every verb's help work", async () => {
  const examples: string[] = [];
  for (const { name } of verbs) {
    const program = await programFor([name], () => async () => undefined);
    const command = program.commands.find((each) => each.name() === name);
    for (const each of [command, ...(command?.commands ?? [])]) {
      let text = "";
      each?.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
      examples.push(...(text.split("Examples:\n")[1] ?? "").split("\n").map((line) => line.trim()));
    }
  }
  // Deleting comes last: other examples look at what it takes away.
  const here = [...new Set(examples.filter((line) => line !== "" && runHere(line)))].toSorted(
    (a, b) => Number(a.includes("delete")) - Number(b.includes("delete")),
  );
  assert.ok(here.length >= 20, here.join("\n"));
  await using shell = await place();
  for (const line of [...BEFORE, ...here]) {
    const ran = await shell.type(line);
    assert.equal(ran.code, 0, `${line}\n${ran.stdout}${ran.stderr}`);
  }
});

test("the library is used as README says", async () => {
  const page = await readFile(join(root, "README.md"), "utf8");
  const [, code = ""] = /^```js\n([\s\S]*?)^```$/m.exec(page) ?? [];
  // What a package's exports would lead to.
  const here = code.replace(/"imgvol\/(\w+)"/g, (_, folder: string) =>
    JSON.stringify(pathToFileURL(join(root, "src", folder, "index.ts"))),
  );
  assert.notEqual(here, code);
  await using shell = await place();
  await shell.write("example.mjs", here);
  const ran = await shell.type(`'${process.execPath}' example.mjs`);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^agent\.properties$/m);
  assert.equal((await shell.type("imgvol tags oci:./images")).stdout, "1\n");
});
