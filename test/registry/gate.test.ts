import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../src/registry/index.ts";

/** Work on a gate that ends when it is told to, and says in which order things happened. */
function bench(gate: Gate) {
  const told: string[] = [];
  const ends = new Map<string, () => void>();
  const done: Promise<unknown>[] = [];
  return {
    told,
    done,
    begin(kind: "shared" | "exclusive", name: string) {
      const work = gate[kind](async () => {
        told.push(`${name} in`);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        told.push(`${name} out`);
      });
      done.push(work);
    },
    async end(name: string) {
      ends.get(name)?.();
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

test("those who share a gate are in together; one who excludes is alone; first come, first served", async () => {
  const { told, begin, end, done } = bench(new Gate("a"));
  begin("shared", "one");
  begin("shared", "two");
  begin("exclusive", "three");
  begin("shared", "four");
  begin("exclusive", "five");
  for (const name of ["one", "two", "three", "four", "five"]) await end(name);
  await Promise.all(done);
  assert.deepEqual(told, [
    ...["one in", "two in", "one out", "two out"],
    ...["three in", "three out", "four in", "four out", "five in", "five out"],
  ]);
});

test("work that fails lets the next one in", async () => {
  const gate = new Gate("a");
  const boom = async (): Promise<never> => {
    throw new Error("boom");
  };
  const works = [gate.exclusive(boom), gate.shared(boom), gate.exclusive(async () => "in")];
  const ended = await Promise.allSettled(works);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ["rejected", "rejected", "fulfilled"],
  );
});

test("a gate closes when nobody is in, and then for ever, for those who wait, too", async () => {
  const gate = new Gate("a");
  const inside = gate.enter();
  await gate.exclusive(async () => assert.equal(gate.close(), false));
  inside?.[Symbol.dispose]();
  inside?.[Symbol.dispose]();
  const closing = gate.exclusive(async () => assert.equal(gate.close(), true));
  const waiting = assert.rejects(
    gate.shared(async () => {}),
    { code: "name-unknown" },
  );
  await Promise.all([closing, waiting]);
  assert.equal(gate.enter(), undefined);
  await assert.rejects(
    gate.exclusive(async () => {}),
    { code: "name-unknown" },
  );
});
