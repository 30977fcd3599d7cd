import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { ended, imgvol, start } from "./imgvol.ts";

/** `imgvol registry serve` as a process; `url` when it listens. */
async function serve(
  ...flags: string[]
): Promise<{ url: string; child: ChildProcess; end: ReturnType<typeof ended> }> {
  const child = start(["registry", "serve", "--listen", "127.0.0.1:0", ...flags]);
  const end = ended(child);
  const said = once(child.stdout ?? child, "data");
  const [line] = await Promise.race([said, end.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { url: String(line).trim(), child, end };
}

test("an access log in a file, and on stderr; TERM and INT end the registry with 0, transfers first", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-serve-");
  const file = join(folder.path, "access.log");
  const first = await serve("--dir", join(folder.path, "data"), "--access-log", file);
  assert.equal((await fetch(`${first.url}/v2/`)).status, 200);
  assert.equal((await fetch(`${first.url}/healthz`)).status, 200);
  const pull = await fetch(`${first.url}/metrics`);
  first.child.kill("SIGTERM");
  assert.match(await pull.text(), /^imgvol_build_info\{version="\d/m);
  assert.equal((await first.end).code, 0);
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).path),
    ["/v2/", "/healthz", "/metrics"],
  );

  const second = await serve("--dir", join(folder.path, "data"), "--access-log");
  await (await fetch(`${second.url}/v2/_catalog`)).text();
  second.child.kill("SIGINT");
  const { code, stderr } = await second.end;
  assert.equal(code, 0);
  assert.match(stderr, /^\{"time":".*"path":"\/v2\/_catalog","status":200,/m);
});

test("a second signal does not wait for those who are still transferring", async () => {
  const { url, child, end } = await serve("--grace", "1h");
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [answer] = await once(socket, "data");
  const place = /^location: (\S+)/im.exec(String(answer))?.[1] ?? "";
  socket.write(
    `PATCH ${place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
  );
  // The registry waits for the bytes now.
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 100 /);
  child.kill("SIGTERM");
  // It listens no more: then the first signal has come.
  for (let open = true; open; ) {
    const probe = connect(Number(new URL(url).port), "127.0.0.1");
    open = await once(probe, "connect").then(
      () => true,
      () => false,
    );
    probe.destroy();
  }
  child.kill("SIGTERM");
  assert.equal((await end).code, 143);
  socket.destroy();
});

test("a name that the registry does not know: the answer says the flag, and with it all is well", async () => {
  const ask = async (url: string): Promise<string> => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.end("GET /v2/ HTTP/1.1\r\nHost: registry.example:5001\r\nConnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket.setEncoding("utf8")) text += chunk;
    return text;
  };
  const closed = await serve();
  assert.match(await ask(closed.url), /^HTTP\/1\.1 421 [\s\S]*start it with --allow-host registry\.example/);
  closed.child.kill();
  await closed.end;
  const open = await serve("--allow-host", "registry.example");
  assert.match(await ask(open.url), /^HTTP\/1\.1 200 /);
  open.child.kill();
  await open.end;
});

test("with --htpasswd a push needs the password, and what is said holds no secret", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-serve-");
  const users = join(folder.path, "users");
  const line = await imgvol(["registry", "htpasswd", "ada", "--password-stdin"], { input: "hunter2\n" });
  assert.match(line.stdout, /^ada:\$2b\$10\$[./A-Za-z0-9]{53}\n$/, line.stderr);
  await writeFile(users, line.stdout);
  const agent = join(folder.path, "file");
  await writeFile(agent, "x");
  const { url, child, end } = await serve("--htpasswd", users, "--anonymous-pull", "--access-log");
  const reference = `${new URL(url).host}/agent:1`;
  const config = join(folder.path, "docker");
  const env = { DOCKER_CONFIG: config, REGISTRY_AUTH_FILE: "" };
  const refused = await imgvol(["pack", agent, "-t", reference], { env });
  assert.equal(refused.code, 3, refused.stderr);
  const login = ["login", "--username", "ada", "--password-stdin", new URL(url).host];
  const loggedIn = await imgvol(login, { env, input: "hunter2" });
  assert.equal(loggedIn.code, 0, loggedIn.stderr);
  assert.equal((await imgvol(["pack", agent, "-t", reference], { env })).code, 0);
  // Reading needs none.
  assert.equal((await fetch(`${url}/v2/agent/tags/list`)).status, 200);
  child.kill();
  const { stderr } = await end;
  assert.match(stderr, /"user":"ada"/);
  assert.doesNotMatch(stderr + refused.stderr, /hunter2|aHVudGVyMg|YWRhOmh1bnRlcjI|\$2b\$/);
});

test("the start says what it is and where clients come; the end is told", async () => {
  for (const [flags, said] of [
    [[], /^a registry over memory, which nothing outlives: --dir keeps it; stop it with Ctrl-C$/m],
    [
      ["--mirror", "a.example", "--mirror", "b.example", "--allow-host", "m.example"],
      /^a mirror of a\.example, b\.example over memory.*; clients come to http:\/\/m\.example:\d+; stop/m,
    ],
    // The last one counts.
    [["--listen", "0.0.0.0:0"], /^warning: .* 421: .*--allow-host$/m],
    [["--min-free-disk", "0"], /^a registry over memory/m],
  ] as const) {
    const { child, end } = await serve(...flags);
    child.kill("SIGTERM");
    const { code, stderr } = await end;
    assert.equal(code, 0);
    assert.match(stderr, said);
    assert.match(stderr, /^ending: transfers on their way get 20s/m);
  }
});

test("a line of htpasswd that cannot be, or a password that nobody gave, is wrong use", async () => {
  const long = "x".repeat(73);
  for (const [words, input, said] of [
    [["ada"], "", /^error: no password: stdin is no terminal\nhint: .*--password-stdin/],
    [["ada", "--password-stdin"], "\n", /^error: the password is empty\n/],
    [["ada", "--password-stdin"], long, /^error: the password has more than 72 bytes\n/],
    [["a:b", "--password-stdin"], "x", /^error: not a user's name: "a:b"\nhint: /],
    [["a b", "--password-stdin"], "x", /^error: not a user's name: /],
    [["#a", "--password-stdin"], "x", /^error: not a user's name: /],
    [["", "--password-stdin"], "x", /^error: not a user's name: /],
  ] as const) {
    const { code, stdout, stderr } = await imgvol(["registry", "htpasswd", ...words], { input });
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, said);
    assert.ok(!stderr.includes(long));
  }
});

test("what cannot be is said at the start, with exit 2 for what was written wrong", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-serve-");
  const users = join(folder.path, "users");
  await writeFile(users, "ada:hunter2\n");
  for (const [flags, said] of [
    [["--htpasswd", users], /^error: \S+users, line 1: the password is not hashed with bcrypt\nhint: /],
    [["--access-log", join(folder.path, "none", "log")], /^error: --access-log: cannot write \S+log: /],
    [["--tls-client-ca", users], /^error: --tls-client-ca needs --tls-cert and --tls-key\nhint: /],
    [["--tls-key", users], /^error: --tls-cert and --tls-key go together\nhint: /],
    [["--min-free-disk", "none"], /^error: --min-free-disk: not a size/],
    [["--mirror", "x.example", "--mirror-size", "0"], /^error: --mirror-size: not a size/],
    [["--anonymous-pull"], /^error: --anonymous-pull says nothing without --htpasswd\nhint: /],
    [["--max-uploads", "0"], /^error: --max-uploads: not a number of 1 or more/],
    // A timer that cannot be so long fires at once, again and again.
    [["--gc-every", "1d"], /^error: --gc-every says nothing without --dir\nhint: /],
    [["--dir", folder.path, "--gc-every", "30d"], /^error: --gc-every: not a time of at most 24d: "30d"/],
    [["--dir", folder.path, "--gc-every", "0s"], /^error: --gc-every: not a time of 1s or more: "0s"/],
    [["--upload-idle", "0s"], /^error: --upload-idle: not a time of 1s or more/],
    [["--grace", "30d"], /^error: --grace: not a time of at most 24d/],
    [["--drain", "30d"], /^error: --drain: not a time of at most 24d/],
  ] as const) {
    const { code, stderr } = await imgvol(["registry", "serve", "--listen", "127.0.0.1:0", ...flags]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /hunter2/);
  }
});
