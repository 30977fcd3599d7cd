import assert from "node:assert/strict";
import { test } from "node:test";
import { quietCall, Turns } from "../../src/base/index.ts";

test("work is done in the order in which it was asked for, and never two at once", async () => {
  const turns = new Turns();
  const done: number[] = [];
  let running = 0;
  const work = async (n: number): Promise<number> => {
    assert.equal(++running, 1);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    done.push(n);
    return n;
  };
  const all = await Promise.all([1, 2, 3].map((n) => turns.take(quietCall(), () => work(n))));
  assert.deepEqual([all, done, turns.idle], [[1, 2, 3], [1, 2, 3], true]);
});

test("who gives up leaves at once, and nobody comes forward for it; a failure holds nobody up", async () => {
  const turns = new Turns();
  const first = Promise.withResolvers<void>();
  const told: string[] = [];
  const one = turns.take(quietCall(), async () => {
    await first.promise;
    told.push("one");
    throw new Error("one failed");
  });
  const cancelled = new AbortController();
  const two = turns.take(quietCall(cancelled.signal), async () => void told.push("two"));
  const three = turns.take(quietCall(), async () => void told.push("three"));
  cancelled.abort(new Error("enough"));
  await assert.rejects(two, /enough/);
  assert.deepEqual([told, turns.idle], [[], false]);
  first.resolve();
  await assert.rejects(one, /one failed/);
  await three;
  assert.deepEqual([told, turns.idle], [["one", "three"], true]);
});
