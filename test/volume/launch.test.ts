import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmod, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { isAbort, quietCall, silent } from "../../src/base/index.ts";
import { type Command, type Launcher, type View, VolumeError } from "../../src/volume/index.ts";
import { rootLauncher, userLauncher } from "../../src/volume/launch-namespace.ts";
import { plainLauncher } from "../../src/volume/launch-plain.ts";
import { planView } from "../../src/volume/view-plan.ts";
import { VIEW_SCRIPT } from "../../src/volume/view-script.ts";

// Each test runs with every launcher that works where it runs; one that does not must say why.
const call = quietCall();
const missing = `/imgvol-test-${process.pid}`;
const working: Launcher[] = [];
let folder = "";
let volume = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "imgvol-test-"));
  // What launchers leave behind, if anything, is then seen here.
  process.env["TMPDIR"] = folder;
  volume = join(folder, "volume");
  await mkdir(join(volume, "inner"), { recursive: true });
  await chmod(volume, 0o755);
  await writeFile(join(volume, "hello"), "hello from the volume\n");
  await symlink("hello", join(volume, "link"));
  for (const launcher of [rootLauncher(), userLauncher()]) {
    const probe = await launcher.probe(call);
    if (probe.ok) working.push(launcher);
    else assert.match(probe.why, /^(?:root|user)-namespace: .{8}/);
  }
});
after(() => rm(folder, { recursive: true, force: true }));

interface Said {
  code: number;
  out: string;
  err: string;
}

async function see(
  launcher: Launcher,
  views: readonly View[],
  more: Partial<Command> & { argv: Command["argv"] },
): Promise<Said> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const exit = await launcher.launch(
    views,
    { stdin: "ignore", stdout: (c) => out.push(c), stderr: (c) => err.push(c), ...more },
    call,
  );
  return { code: exit.code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

const sh = (script: string, ...args: string[]): Command["argv"] => ["sh", "-c", script, "sh", ...args];

test("a command sees a volume at a path that the machine lacks, and the machine does not", async (t: TestContext) => {
  t.diagnostic(`with ${working.map((l) => l.name).join(", ") || "no launcher that mounts"}`);
  for (const launcher of working) {
    const at = `${missing}/agents/x`;
    const said = await see(launcher, [{ mountPath: at, source: volume }], {
      argv: sh('cat "$1/link"; stat -c %a "$1"; pwd; ls -A / | grep -c .', at),
      cwd: folder,
    });
    assert.deepEqual([said.code, said.err], [0, ""], launcher.name);
    assert.equal(said.out, `hello from the volume\n755\n${folder}\n${(await readdir("/")).length + 1}\n`);
    await assert.rejects(lstat(missing));
  }
});

test("missing paths inside folders that exist, existing paths, links and volumes within volumes", async () => {
  const host = join(folder, "host");
  await mkdir(join(host, "kept", "deep"), { recursive: true });
  await writeFile(join(host, "file"), "file");
  await writeFile(join(host, " odd\nname"), "odd");
  await writeFile(join(host, ".hidden"), "hidden");
  await writeFile(join(host, "kept", "deep", "f"), "deep");
  await symlink("kept", join(host, "way"));
  const before = await readdir(host, { recursive: true });
  for (const launcher of working) {
    const said = await see(
      launcher,
      [
        { mountPath: `${host}/new/vol`, source: volume },
        { mountPath: `${host}/kept/other`, source: volume },
        { mountPath: `${host}/way/third`, source: volume },
        { mountPath: `${host}/new/vol/inner`, source: volume },
      ],
      {
        argv: sh(
          'cd "$1"; cat file ".hidden" way/deep/f " odd\nname"; for v in new/vol kept/other kept/third new/vol/inner; do cat $v/hello; done; echo 2>/dev/null >made || echo read-only; readlink way',
          host,
        ),
      },
    );
    assert.deepEqual([said.code, said.err], [0, ""], launcher.name);
    assert.equal(said.out, `filehiddendeepodd${"hello from the volume\n".repeat(4)}read-only\nkept\n`);
    const shown = await see(launcher, [{ mountPath: `${host}/kept`, source: volume }], {
      argv: sh('cd "$1"; cat kept/hello; echo x > writable; cat writable; rm writable', host),
    });
    assert.equal(
      shown.out,
      "hello from the volume\nx\n",
      "an existing path leaves its surroundings writable",
    );
  }
  assert.deepEqual(await readdir(host, { recursive: true }), before);
});

test("a missing path among temporary files: what is there is seen, what is new is the command's alone", async () => {
  const host = join(folder, "temporary");
  await mkdir(join(host, "sub"), { recursive: true });
  await writeFile(join(host, "there"), "there\n");
  await chmod(host, 0o1777);
  for (const launcher of working) {
    const said: string[] = [];
    const progress = { ...silent, say: (sentence: string) => void said.push(sentence) };
    const out: Uint8Array[] = [];
    const exit = await launcher.launch(
      [{ mountPath: `${host}/x/y`, source: volume }],
      {
        argv: sh(
          `cd "$1"; cat there x/y/hello; echo mine >new; mkdir made; cat new; echo kept >sub/kept; stat -c %a .
           echo 2>/dev/null >x/y/hello || echo refused`,
          host,
        ),
        stdin: "ignore",
        stdout: (c) => out.push(c),
        stderr: "inherit",
      },
      { ...call, progress },
    );
    assert.deepEqual(
      [exit.code, Buffer.concat(out).toString()],
      [0, "there\nhello from the volume\nmine\n1777\nrefused\n"],
      launcher.name,
    );
    assert.deepEqual(said, [`new files in ${host} are the command's alone, and go with it`]);
  }
  const after = working.length > 0 ? ["sub", "sub/kept", "there"] : ["sub", "there"];
  assert.deepEqual((await readdir(host, { recursive: true })).sort(), after);
});

test("a missing path in a folder that cannot be listed is refused: its entries would vanish", async () => {
  const host = join(folder, "unlisted");
  await mkdir(join(host, "inside"), { recursive: true });
  await chmod(host, 0o311);
  const planned = planView([{ mountPath: join(host, "new"), source: volume }], "/nowhere");
  // Root lists what it likes.
  if (process.geteuid?.() === 0) {
    assert.deepEqual(
      (await planned).map(([step]) => step),
      ["parent", "fresh", "folder", "seal", "bind"],
    );
  } else {
    await assert.rejects(planned, (e) => e instanceof VolumeError && e.code === "mount-path-invalid");
  }
  await chmod(host, 0o755);
});

test("a link that appears where a folder is to be made is not followed", async () => {
  const host = join(folder, "raced");
  const outside = join(folder, "outside");
  await mkdir(host);
  await mkdir(outside);
  const steps = await planView([{ mountPath: join(host, "new", "deep"), source: volume }], "/nowhere");
  await symlink(outside, join(host, "new"));
  const user = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const made = spawnSync(
    "unshare",
    [...user, "--mount", "--", "sh", "-c", VIEW_SCRIPT, "view", ...steps.flat(), "run", "true"],
    { encoding: "utf8" },
  );
  if (working.length > 0) assert.match(made.stderr, /^mkdir: .*File exists$/m);
  assert.notEqual(made.status, 0);
  assert.deepEqual(await readdir(outside), []);
});

test("the volume is read-only for good, and the command has the caller's ids and no capability", async () => {
  for (const launcher of working) {
    const at = `${missing}/v`;
    const said = await see(launcher, [{ mountPath: at, source: volume }], {
      argv: sh(
        `id -u; id -g; grep -E '^Cap(Prm|Eff|Bnd|Amb|Inh)' /proc/self/status | grep -vc 0000000000000000
         echo 2>/dev/null >"$1/hello" || echo refused
         mount -o remount,bind,rw "$1" 2>/dev/null || echo refused
         umount "$1" 2>/dev/null || echo refused
         unshare --user --map-root-user --mount sh -c 'mount -o remount,bind,rw "$0" || umount "$0"' "$1" 2>/dev/null || echo refused
         grep " $1 " /proc/self/mountinfo | cut -d' ' -f6`,
        at,
      ),
    });
    const [uid, gid, capable, ...rest] = said.out.trim().split("\n");
    assert.deepEqual(
      [uid, gid, capable],
      [String(process.geteuid?.()), String(process.getegid?.()), "0"],
      launcher.name,
    );
    assert.deepEqual(rest.slice(0, 4), ["refused", "refused", "refused", "refused"], launcher.name);
    for (const flag of ["ro", "nosuid", "nodev"])
      assert.ok(rest[4]?.split(",").includes(flag), `${flag}: ${rest[4]}`);
  }
});

test("environment, working folder, arguments and exit codes arrive unchanged", async () => {
  const env = {
    "-i": "as an option",
    PATH: process.env["PATH"],
    OPTIND: "no number",
    PPID: "7",
    PLAIN: "a b\n$c'\"",
    "spring.profiles.active": "dotted",
    LD_PRELOAD: "",
    IFS: "x",
    ENV: "/nowhere",
    EMPTY: "",
  };
  const tell = "process.stdout.write(JSON.stringify([process.env, process.argv.slice(1), process.cwd()]))";
  for (const launcher of [...working, plainLauncher()]) {
    const said = await see(launcher, [], {
      argv: [process.execPath, "-e", tell, "--", "-x", "two words", "a=b", ""],
      env,
      cwd: folder,
    });
    const [seen, args, cwd] = JSON.parse(said.out);
    delete seen.PWD;
    assert.deepEqual([seen, args, cwd], [env, ["-x", "two words", "a=b", ""], folder], launcher.name);
    for (const [argv, code] of [
      [sh("exit 7"), 7],
      [sh("exit 125"), 125],
      [sh("kill -TERM $$"), 143],
      [["imgvol-no-such-program"], 127],
      [[folder], 126],
    ] as const) {
      assert.equal(
        (await see(launcher, [], { argv, stderr: "ignore", env: { PATH: "/usr/bin:/bin" } })).code,
        code,
        `${launcher.name}: ${argv}`,
      );
    }
  }
  await writeFile(join(folder, "a=b"), "#!/bin/sh\necho equals\n", { mode: 0o755 });
  for (const launcher of working) {
    assert.equal((await see(launcher, [], { argv: [join(folder, "a=b")] })).out, "equals\n");
  }
});

test("what cannot be mounted is refused before anything starts", async () => {
  await writeFile(join(folder, "plain-file"), "");
  await symlink("/imgvol-nowhere", join(folder, "dangling"));
  const cases: [string[], string][] = [
    [["relative"], "mount-path-invalid"],
    [["/"], "mount-path-invalid"],
    [["/opt/../etc"], "mount-path-invalid"],
    [["/proc/imgvol"], "mount-path-invalid"],
    [["/sys/imgvol"], "mount-path-invalid"],
    [[join(folder, "plain-file")], "mount-path-invalid"],
    [[join(folder, "plain-file", "below")], "mount-path-invalid"],
    [[join(folder, "dangling", "x")], "mount-path-invalid"],
    [[`${missing}/a`, `${missing}/a/lacks`], "mount-path-invalid"],
    [[`${missing}/a`, `${missing}//a/`], "mount-path-busy"],
  ];
  const launcher = userLauncher();
  for (const [paths, code] of cases) {
    const views = paths.map((mountPath) => ({ mountPath, source: volume }));
    await assert.rejects(
      see(launcher, views, { argv: ["true"] }),
      (e) => e instanceof VolumeError && e.code === code,
      paths.join(" "),
    );
  }
});

test("an aborted call ends the command and leaves nothing", async () => {
  for (const launcher of [...working, plainLauncher()]) {
    const stop = new AbortController();
    let pid = 0;
    const running = launcher.launch(
      [{ mountPath: `${missing}/v`, source: volume }],
      {
        argv: sh("echo ready; exec sleep 1000"),
        stdin: "ignore",
        stdout: () => stop.abort(),
        onStart: (p) => {
          pid = p;
        },
      },
      quietCall(stop.signal),
    );
    await assert.rejects(running, isAbort, launcher.name);
    assert.throws(() => process.kill(pid, 0), launcher.name);
  }
  assert.deepEqual(
    (await readdir(folder)).filter((n) => n.startsWith("imgvol-view-")),
    [],
  );
});

test("signals pass through, and a killed launcher takes the command with it", async () => {
  const index = new URL("../../src/volume/index.ts", import.meta.url).href;
  const script = `
    import { run } from ${JSON.stringify(index)};
    const command = { argv: ["sh", "-c", "trap 'echo got; exit 9' USR2; echo $$; while :; do sleep 0.05; done"],
      forwardSignals: true, cwd: "/" };
    const exit = await run([{ mountPath: "${missing}/v", source: ${JSON.stringify(volume)} }], command, { signal: new AbortController().signal });
    process.exit(exit.code);`;
  for (const how of working.length > 0 ? (["SIGUSR2", "SIGKILL"] as const) : (["SIGUSR2"] as const)) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    let pid = 0;
    child.stdout.on("data", (chunk) => {
      out += chunk;
      if (pid === 0 && out.includes("\n")) {
        pid = Number(out.split("\n")[0]);
        child.kill(how);
      }
    });
    // The command holds the pipe: it closes only when the command is gone, too.
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (how === "SIGUSR2") assert.deepEqual([code, out.split("\n")[1]], [9, "got"]);
    else assert.equal(code, null);
  }
});
