import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { openStorage } from "../../src/telemetry/index.ts";

const WRITER = `
import { openStorage } from ${JSON.stringify(new URL("../../src/telemetry/index.ts", import.meta.url).href)};
import { span, traces } from ${JSON.stringify(new URL("./sender.ts", import.meta.url).href)};
const [db, first] = process.argv.slice(1);
const storage = await openStorage(db === "" ? {} : { db });
for (let id = Number(first); ; id++) {
  await storage.ingest("traces", "protobuf", traces("a", [span(id, id)]));
  process.stdout.write("+");
}
`;

/** Writes until `acknowledged` spans are stored, and is killed; gives how many were. */
async function killed(db: string, first: number, acknowledged: number, tmp: string): Promise<number> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", WRITER, db, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: tmp, NODE_NO_WARNINGS: "1" },
  });
  let seen = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    if (seen >= acknowledged) child.kill("SIGKILL");
  });
  await once(child, "close");
  return seen;
}

test("kill -9: what was acknowledged is in the file, and the next start reads it", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const db = join(folder.path, "t.db");
  let stored = 0;
  for (const acknowledged of [1, 40, 200]) {
    const more = await killed(db, stored + 1, acknowledged, folder.path);
    assert.ok(more >= acknowledged);
    await using storage = await openStorage({ db });
    const { spans, traces } = await storage.stats();
    // One may be stored whose acknowledgement was not seen any more.
    assert.ok(spans >= stored + more && traces === spans, `${spans} of ${stored + more}`);
    stored = spans;
  }
});

test("kill -9: of the temporary database nothing is left", async () => {
  await using folder = await temporaryFolder(tmpdir());
  await killed("", 1, 20, folder.path);
  assert.deepEqual(readdirSync(folder.path), []);
});
