import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BaseError,
  isAway,
  isTemporary,
  isTemporaryFailure,
  Patience,
  type Pause,
  quietCall,
  retryAfter,
} from "../../src/base/index.ts";

const call = quietCall();
const trouble = new Error("trouble");
const soon = { attempts: 4, delay: 1, longest: 1000 };

/** How many failures are borne before the error comes back. */
async function borne(patience: Patience, after: (n: number) => void = () => {}): Promise<number> {
  for (let n = 0; ; n++) {
    try {
      await patience.afterFailure(trouble, call);
    } catch (error) {
      assert.equal(error, trouble);
      return n;
    }
    after(n);
    if (n > 50) return n;
  }
}

test("failures are counted since the work was further than ever before", async () => {
  assert.equal(await borne(new Patience(soon)), 3);
  const once = new Patience(soon);
  assert.equal(await borne(once, (n) => n === 1 && once.reached(10)), 5);
  const circling = new Patience(soon);
  circling.reached(10);
  assert.equal(await borne(circling, (n) => circling.reached(n % 11)), 3);
});

test("who was there before is waited for longer, unless it is said how often", async () => {
  const away = async (patience: Patience): Promise<number> => {
    for (let n = 0; ; n++) {
      if (
        await patience.afterFailure(trouble, call, { away: true }).then(
          () => false,
          () => true,
        )
      )
        return n;
    }
  };
  assert.equal(await away(new Patience({ delay: 1 })), 7);
  assert.equal(await away(new Patience({ attempts: 2, delay: 1 })), 1);
  assert.equal(await away(new Patience({ attempts: 2, whileAway: 3, delay: 1 })), 2);
});

test("pauses grow, vary, and are at least what the server asks for", async () => {
  const told: Pause[] = [];
  const patience = new Patience({ ...soon, delay: 8 });
  for (const asked of [undefined, 0, 20]) {
    await patience.afterFailure(trouble, call, { asked, onPause: (pause) => void told.push(pause) });
  }
  assert.deepEqual(
    told.map(({ asked, left }) => [asked, left]),
    [
      [undefined, 3],
      [0, 2],
      [20, 1],
    ],
  );
  for (const [i, { wait, asked = 0 }] of told.entries()) {
    assert.ok(wait >= asked + 4 * 2 ** i && wait <= asked + 8 * 2 ** i, `pause ${i} is ${wait}`);
  }
});

test("a server that asks for more patience than there is ends it at once; so does the caller", async () => {
  await assert.rejects(new Patience(soon).afterFailure(trouble, call, { asked: 1001 }), trouble);
  const gone = new AbortController();
  const reason = new Error("enough");
  const waiting = new Patience({ ...soon, longest: 1e6 }).afterFailure(
    trouble,
    { signal: gone.signal },
    { asked: 500_000, onPause: () => setImmediate(() => gone.abort(reason)) },
  );
  await assert.rejects(waiting, (e: Error) => e === reason || e.cause === reason);
});

const fields: readonly [string, number | undefined][] = [
  ["0", 0],
  ["30", 30_000],
  [" 7 ", 7000],
  ["Thu, 01 Jan 2015 00:00:00 GMT", 0],
  ["", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
];
for (const [field, expected] of fields) {
  test(`Retry-After: ${JSON.stringify(field)}`, () => {
    assert.equal(retryAfter(new Map([["retry-after", field]])), expected);
  });
}

test("Retry-After: a date to come", () => {
  const date = new Date(Date.now() + 60_000).toUTCString();
  const wait = retryAfter(new Map([["retry-after", date]])) ?? 0;
  assert.ok(wait > 50_000 && wait <= 60_000, `${wait}`);
});

test("which statuses and failures are over in a while", () => {
  const statuses = [400, 401, 403, 404, 408, 409, 413, 416, 425, 429, 500, 501, 502, 503, 504, 505, 507, 522];
  assert.deepEqual(statuses.filter(isTemporary), [408, 425, 429, 500, 502, 503, 504, 522]);
  const failed = (code: string): BaseError =>
    new BaseError("connection-failed", "x", { cause: Object.assign(new Error(), { code }) });
  assert.equal(isTemporaryFailure(failed("ECONNRESET")), true);
  assert.equal(isTemporaryFailure(failed("ENOTFOUND")), false);
  assert.equal(isTemporaryFailure(new BaseError("timeout", "x")), true);
  assert.equal(isTemporaryFailure(new BaseError("tls-failed", "x")), false);
  assert.equal(isTemporaryFailure(trouble), false);
  assert.deepEqual(statuses.filter(isAway), [502, 503, 504]);
  assert.equal(isAway(failed("ECONNREFUSED")), true);
  assert.equal(isAway(failed("ENOTFOUND")), false);
  assert.equal(isAway(new BaseError("timeout", "x")), false);
});
