import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_LIMIT, measureMemory, tellMemory } from "../soak/memory.ts";

test("packing and unpacking 1 GiB, and 50,000 files, takes at most 160 MB", async (t) => {
  const figures = await measureMemory(1024 ** 3, 50_000);
  for (const line of tellMemory(figures)) t.diagnostic(line);
  for (const { journey, peak } of figures) {
    assert.ok(peak <= MEMORY_LIMIT, `${Math.round(peak / 1e6)} MB: ${journey}`);
  }
});
