import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChallenges } from "../../src/auth/challenge.ts";

// `WWW-Authenticate` (RFC 9110, section 11.6.1): several challenges in one field, commas in quotes, names in any case.

const word = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,12}$/);
const value = fc.string({ unit: fc.constantFrom(...' ,="\\:/abcXYZ0189-._~ü*') });
const challenge = fc.record({
  scheme: word,
  parameters: fc.uniqueArray(fc.tuple(word, value), {
    selector: ([name]) => name.toLowerCase(),
    maxLength: 5,
  }),
});
const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
const bare = (text: string): boolean => /^[\w:/.~*-]+$/.test(text);

test("what is written is read, however many challenges stand in one field", () => {
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 4 }), fc.boolean(), (written, unquoted) => {
      const text = written
        .map(({ scheme, parameters }) => {
          const pairs = parameters.map(([name, v]) => `${name}=${unquoted && bare(v) ? v : quote(v)}`);
          return `${scheme} ${pairs.join(unquoted ? " , " : ",")}`.trimEnd();
        })
        .join(", ");
      assert.deepEqual(
        parseChallenges(text).map(({ scheme, parameters }) => [scheme, [...parameters]]),
        written.map(({ scheme, parameters }) => [
          scheme.toLowerCase(),
          parameters.map(([name, v]) => [name.toLowerCase(), v]),
        ]),
      );
    }),
  );
});

test("any text is read, and ends", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab=",\\ \t;:/\n\0') }), (text) => {
      for (const { scheme, parameters } of parseChallenges(text)) {
        assert.match(scheme, /^[^\s,="]+$/);
        for (const name of parameters.keys()) assert.match(name, /^[^\s,="]+$/);
      }
    }),
    { numRuns: 500 },
  );
});
