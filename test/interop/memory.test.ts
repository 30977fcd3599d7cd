import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_LIMIT, measureMemory, tellMemory } from "../soak/memory.ts";

// Several times the limit, so that what grows with its input shows; `npm run soak -- memory` does 4 GiB and 50,000 files.
test("packing and unpacking 512 MiB, and 20,000 files, takes at most 160 MB", async (t) => {
  const figures = await measureMemory(512 * 1024 ** 2, 20_000);
  for (const line of tellMemory(figures)) t.diagnostic(line);
  for (const { journey, peak } of figures) {
    assert.ok(peak <= MEMORY_LIMIT, `${Math.round(peak / 1e6)} MB: ${journey}`);
  }
});
