import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { missing, type ServiceTelemetry } from "../../src/demo/arrived.ts";
import { commandLine } from "../../src/demo/command-line.ts";
import { OutputTail } from "../../src/demo/output-tail.ts";

test("a printed command means to a shell what it says", () => {
  const words = [
    "printf",
    "%s|",
    "plain",
    "with space",
    "it's",
    'a "b"',
    "$HOME",
    "a;b",
    "*",
    "",
    "ö",
    "-p",
    "a=b",
  ];
  const line = commandLine(words, { GREETING: "hello $USER", EMPTY: "" });
  assert.equal(
    execFileSync("sh", ["-c", line], { encoding: "utf8" }),
    words
      .slice(2)
      .map((w) => `${w}|`)
      .join(""),
  );
  const shown = commandLine(["sh", "-c", 'printf "%s" "$GREETING"'], { GREETING: "hello $USER's" });
  assert.equal(execFileSync("sh", ["-c", shown], { encoding: "utf8" }), "hello $USER's");
  assert.equal(commandLine(["a"], {}, true), "a &");
});

test("the last lines of a program are kept, whole, whatever its chunks", () => {
  const heard: string[] = [];
  const tail = new OutputTail((line) => heard.push(line));
  const [out, err] = [tail.stream(), tail.stream()];
  const text = Buffer.from("grüße\nzwei\r\n");
  for (const byte of text) out(Uint8Array.of(byte));
  out(Buffer.from("of out, "));
  err(Buffer.from("of err\n"));
  out(Buffer.from("later\n"));
  assert.deepEqual(heard, ["grüße", "zwei", "of err", "of out, later"]);
  assert.deepEqual(tail.lines, heard);
  for (let i = 0; i < 1000; i++) out(Buffer.from(`line ${i}\n`));
  assert.equal(tail.lines.length, 40);
  assert.equal(tail.lines.at(-1), "line 999");
  out(Buffer.from("x".repeat(1_000_000)));
  out(Buffer.from("\n"));
  assert.equal(tail.lines.at(-1)?.length, 2000);
});

test("what a program painted is kept without its colours, and recognised", () => {
  const heard: string[] = [];
  const tail = new OutputTail((line) => heard.push(line));
  tail.stream()(Buffer.from("[\u001b[1;31mERROR\u001b[m] no \u001b[36mpom.xml\u001b[0m\n"));
  tail.add("\u001b[1mlistening on http://[::1]:80\u001b[22m");
  assert.deepEqual(tail.lines, ["[ERROR] no pom.xml", "listening on http://[::1]:80"]);
  assert.deepEqual(heard, tail.lines);
});

test("what has not come yet is said by name", () => {
  const service = { name: "hello", span: "GET /hello/{name}" };
  const all: ServiceTelemetry = {
    name: "hello",
    spans: 3,
    points: 5,
    metrics: ["jvm.cpu.time"],
    logs: 9,
    logsInTraces: 4,
    requests: 3,
    requestsWithLogs: 3,
  };
  const signals = ["traces", "metrics", "logs"] as const;
  assert.deepEqual(missing(service, signals, all), []);
  for (const [change, said] of [
    [{ requests: 1 }, /^2 of 3 spans GET \/hello\/\{name\} of hello$/],
    [{ metrics: [] }, /^metrics of hello$/],
    [{ requestsWithLogs: 0 }, /^3 of 3 requests' logs with trace ids of hello$/],
  ] as const) {
    const lacking = missing(service, signals, { ...all, ...change });
    assert.equal(lacking.length, 1);
    assert.match(lacking[0] ?? "", said);
  }
  assert.deepEqual(missing(service, ["traces"], { ...all, metrics: [], requestsWithLogs: 0 }), []);
});
