import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIgnore, TreeError } from "../../src/tree/index.ts";

// Each row: the ignore file, what it ignores, what it does not. A trailing / marks a folder.
const table: readonly [string, readonly string[], readonly string[]][] = [
  ["", [], ["a", "a/b"]],
  ["# a\n\n   \n", [], ["# a", "a"]],
  ["*.log", ["x.log", "a/b/x.log", ".log"], ["x.logs", "x.log/y", "log"]],
  ["/x", ["x", "x/"], ["a/x"]],
  ["a/x", ["a/x"], ["b/a/x", "x"]],
  ["build/", ["build/", "a/build/"], ["build", "a/build"]],
  ["/build/", ["build/"], ["a/build/"]],
  ["a?c", ["abc", "x/aéc", "a😀c"], ["ac", "a/c"]],
  ["a*c", ["ac", "abbc"], ["a/c", "ab/c"]],
  ["**/x", ["x", "a/x", "a/b/x"], ["xx", "a/xx"]],
  ["a/**/x", ["a/x", "a/b/x", "a/b/c/x"], ["ax", "b/a/x"]],
  ["a/**", ["a/b", "a/b/c"], ["a/", "b/a/c"]],
  ["**", ["a", "a/b"], []],
  ["[a-c]x", ["ax", "cx"], ["dx", "-x"]],
  ["[!a-c]x", ["dx"], ["ax", "a/x", "/x"]],
  ["[^a]x", ["bx"], ["ax"]],
  ["[]x]", ["]", "x"], ["y"]],
  ["[a\\]]", ["a", "]"], ["\\", "b"]],
  ["[$.^]", ["$", ".", "^"], ["a"]],
  ["x[/]y", [], ["x/y"]],
  ["\\#x", ["#x"], ["x"]],
  ["\\!x", ["!x"], ["x"]],
  ["a\\*", ["a*"], ["ab"]],
  ["a ", ["a"], ["a "]],
  ["a\\ ", ["a "], ["a"]],
  ["a+(b)|{c}.$", ["a+(b)|{c}.$"], ["aab", "a+(b)|{c}x$"]],
  ["*\n!keep", ["a", "b/c"], ["keep", "b/keep"]],
  ["!a\na", ["a"], []],
  ["a\r\nb\r\n", ["a", "b"], ["a\r"]],
  ["\ufeffa", ["a"], []],
  ["-x", ["-x"], ["x"]],
  ["é", ["é"], ["e\u0301"]],
];

for (const [text, ignored, kept] of table) {
  test(`ignore file ${JSON.stringify(text)}`, () => {
    const ignore = parseIgnore(text, "f");
    const ask = (path: string) => ignore(path.replace(/\/$/, ""), path.endsWith("/"));
    for (const path of ignored) assert.equal(ask(path), true, `${path} should be ignored`);
    for (const path of kept) assert.equal(ask(path), false, `${path} should be kept`);
  });
}

for (const bad of ["/", "!", "[a", "[z-a]", "a\\", "[[:alpha:]]"]) {
  test(`ignore pattern ${bad} is refused with its line`, () => {
    assert.throws(
      () => parseIgnore(`ok\n${bad}`, "the-file"),
      (e) => e instanceof TreeError && e.code === "ignore-invalid" && e.message.includes("the-file, line 2"),
    );
  });
}
