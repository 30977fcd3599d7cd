import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { BaseError } from "../../src/base/index.ts";
import { listen } from "../../src/base/listen.ts";
import { commandName } from "../../src/base/port-holder.ts";

const commands: readonly [words: readonly string[], name: string][] = [
  [["/usr/bin/node", "/opt/imgvol/main.js", "dashboard", "--ui-port", "1"], "node main.js dashboard"],
  [["node", "--import=x", "app.js"], "node app.js"],
  [["python3", "-m", "http.server", "8000"], "python3 http.server 8000"],
  [["/usr/bin/java", "-jar", "/srv/app.jar"], "java app.jar"],
  [["mysqld", "--password", "secret"], "mysqld"],
  [["curl", "https://me:secret@host/"], "curl"],
  [["nginx: master process /usr/sbin/nginx"], "nginx"],
  [["\u001b[31mred"], "\\u{1b}[31mred"],
  [[""], "a process"],
];

test("a process is called by its program, script and verb, and nothing else of its words", () => {
  for (const [words, name] of commands) assert.equal(commandName(`${words.join("\0")}\0`), name);
  assert.ok(commandName("x".repeat(5000)).length < 120);
});

test("a port that is taken says by whom, where that can be told", async () => {
  await using taken = createServer();
  const port = await listen(taken, { host: "127.0.0.1", port: 0 });
  await assert.rejects(listen(createServer(), { host: "127.0.0.1", port }), (e) => {
    assert.ok(e instanceof BaseError && e.code === "port-in-use");
    const said = process.platform === "linux" ? ` by node\\b.* \\(process ${process.pid}\\)$` : "in use$";
    assert.match(e.message, new RegExp(said));
    return true;
  });
});
