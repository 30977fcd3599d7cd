import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { programFor } from "../../src/cli/program.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { imgvol } from "./imgvol.ts";

// docs/registry.md says what is so, and docs/mirrors-and-certificates.md.

const docs = join(import.meta.dirname, "../../docs");
const page: string = await readFile(join(docs, "registry.md"), "utf8");
const mirrors: string = await readFile(join(docs, "mirrors-and-certificates.md"), "utf8");

/** Every command line of the pages: in the blocks of a shell, and in the service's file. */
const lines: readonly string[] = [...`${page}\n${mirrors}`.matchAll(/^```(?:sh|ini)\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block = ""]) => block.replaceAll(/\\\n\s*/g, "").split("\n"))
  .map((line) => line.replace(/^ExecStart=\S*\//, ""))
  .filter((line) => line.startsWith("imgvol "));

test("each line of the pages is understood", async () => {
  assert.ok(lines.length >= 7, lines.join("\n"));
  for (const line of lines) {
    const words = line.split(/\s+/).slice(1);
    let understood = false;
    const program = await programFor(words, () => async () => {
      understood = true;
    });
    await program.parseAsync(words, { from: "user" });
    assert.ok(understood, line);
  }
});

test("the lines that end by themselves work, on a registry with an image", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-docs-");
  const dir = join(folder.path, "registry");
  await mkdir(dir);
  await writeFile(join(folder.path, "file"), "x");
  await using registry = await startRegistry({ host: "127.0.0.1", port: 0, dir }, quietCall());
  const here = (line: string): string[] =>
    line.replaceAll("localhost:5001", `localhost:${registry.port}`).split(/\s+/).slice(1);
  const before = await imgvol(here("imgvol pack ./file -t localhost:5001/agent:1"), { cwd: folder.path });
  assert.equal(before.code, 0, before.stderr);
  const typed = lines.filter((line) => !line.includes("registry serve"));
  assert.ok(typed.length >= 3);
  for (const line of typed) {
    const { code, stderr } = await imgvol(here(line), { cwd: folder.path });
    assert.equal(code, 0, `${line}\n${stderr}`);
  }
});

test("the page's tables name every metric and every field of the log, and no metric that is not there", async () => {
  const log: string[] = [];
  await using registry = await startRegistry(
    { host: "127.0.0.1", port: 0, mirror: { upstreams: ["x.example"] }, accessLog: (line) => log.push(line) },
    quietCall(),
  );
  await (await fetch(`${registry.url}/v2/`)).text();
  const metrics = await (await fetch(`${registry.url}/metrics`)).text();
  const told = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const listed = rows.flatMap((row) =>
    [...row.matchAll(/`((?:imgvol|process)_[a-z_]+)/g)].map(([, name]) => name),
  );
  for (const name of told) assert.ok(listed.includes(name), `${name} is not on the page`);
  // What only a disk, or /proc, can tell.
  for (const name of listed) {
    assert.ok(told.has(name) || /^imgvol_registry_free_bytes$|^process_open_fds$/.test(String(name)), name);
  }
  const fields = rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([a-zA-Z]+)`/g)].map(([, name]) => name),
  );
  for (const name of Object.keys(JSON.parse(log[0] ?? "{}")))
    assert.ok(fields.includes(name), `${name} is not on the page`);
});
