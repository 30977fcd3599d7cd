import assert from "node:assert/strict";
import { test } from "node:test";
import { killWriters } from "../soak/layout-kill.ts";

test("two writers killed at 20 moments: nothing half-written is ever seen, nothing acknowledged is lost", async () => {
  const { kept, swept } = await killWriters(20, 20261123);
  // Else the moments are all too early, or all too late, to say anything.
  assert.ok(kept > 5, `${kept} tags were acknowledged`);
  assert.ok(swept > 5, `${swept} rounds had leftovers`);
});
