import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { BaseError, ImgvolError, quietCall } from "../../src/base/index.ts";
import type { Finding } from "../../src/oci/index.ts";
import { type FolderOptions, folderTree } from "../../src/tree/index.ts";
import { inFolder, listing, paths } from "./listing.ts";

const code = (wanted: string, naming: string) => (e: unknown) =>
  e instanceof ImgvolError && e.code === wanted && e.message.includes(naming);

async function told(root: string, options: FolderOptions = {}): Promise<string[]> {
  const found: Finding[] = [];
  for await (const _ of folderTree(root, { ...options, tell: (f) => found.push(f) })(quietCall()));
  return found.map((f) => `${f.severity} ${f.code} ${f.subject}`);
}

test("a folder comes in tree order: by UTF-8 bytes, a folder as if its name ended in a slash", () =>
  inFolder(async (root) => {
    for (const d of ["a", "b", "b/c", "\u{10000}"]) mkdirSync(join(root, d));
    for (const f of ["a.txt", "a-b", "a0", "a/z", "b/c/d", "b/c-", "\uffee", "B", "é"])
      writeFileSync(join(root, f), "");
    assert.deepEqual(await paths(folderTree(root)), [
      ..."B a-b a.txt a a/z a0 b b/c- b/c b/c/d é".split(" "),
      "\uffee",
      "\u{10000}",
    ]);
  }));

test("times, owners and modes are the same wherever a folder was made", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "d"), 0o700);
    writeFileSync(join(root, "d/run"), "#!", { mode: 0o700 });
    writeFileSync(join(root, "d/text"), "hello", { mode: 0o600 });
    symlinkSync("../nowhere", join(root, "link"));
    utimesSync(join(root, "d/text"), 1000, 1000.9);
    const expected = [
      "dir d 755 0:0 0",
      'file d/run 755 0:0 0 2 "#!"',
      'file d/text 644 0:0 0 5 "hello"',
      "symlink link 777 0:0 0 -> ../nowhere",
    ];
    assert.deepEqual(await listing(folderTree(root)), expected);
    const tree = folderTree(root, { sourceDateEpoch: 2000, owner: { uid: 7, gid: 8 }, keepModes: true });
    assert.deepEqual(await listing(tree), [
      "dir d 700 7:8 2000",
      'file d/run 700 7:8 2000 2 "#!"',
      'file d/text 600 7:8 1000 5 "hello"',
      "symlink link 777 7:8 2000 -> ../nowhere",
    ]);
    assert.deepEqual(await listing(tree), await listing(tree), "a tree can be walked again");
  }));

test("hard links: the first name in order holds the content, wherever the links were made", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "z"), "one");
    linkSync(join(root, "z"), join(root, "m"));
    linkSync(join(root, "z"), join(root, "a/b"));
    assert.deepEqual(await listing(folderTree(root)), [
      "dir a 755 0:0 0",
      'file a/b 644 0:0 0 3 "one"',
      "hardlink m 644 0:0 0 -> a/b",
      "hardlink z 644 0:0 0 -> a/b",
    ]);
  }));

test("an ignored name of a hard-linked file does not hold its content", () =>
  inFolder(async (root) => {
    writeFileSync(join(root, "a"), "one");
    linkSync(join(root, "a"), join(root, "b"));
    writeFileSync(join(root, ".imgvolignore"), "a\n");
    assert.deepEqual(await listing(folderTree(root)), ['file b 644 0:0 0 3 "one"']);
  }));

test("what is ignored is not looked at; a named ignore file replaces the default one", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "node_modules"));
    writeFileSync(join(root, "node_modules/.env"), "");
    writeFileSync(join(root, "x.log"), "");
    writeFileSync(join(root, "keep.log"), "");
    writeFileSync(join(root, ".imgvolignore"), "node_modules/\n*.log\n!keep.log\n");
    assert.deepEqual(await paths(folderTree(root)), ["keep.log"]);
    assert.deepEqual(await told(root), []);
    writeFileSync(join(root, "other"), "*\n!x.log\n");
    assert.deepEqual(await paths(folderTree(root, { ignoreFile: join(root, "other") })), ["x.log"]);
    await assert.rejects(
      paths(folderTree(root, { ignoreFile: join(root, "gone") })),
      code("file-unreadable", "gone"),
    );
  }));

test("with followSymlinks, links become what they lead to, and a circle is an error", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d/f"), "content");
    symlinkSync("d", join(root, "c"));
    symlinkSync("d/f", join(root, "g"));
    const follow = folderTree(root, { followSymlinks: true });
    assert.deepEqual(await listing(follow), [
      "dir c 755 0:0 0",
      'file c/f 644 0:0 0 7 "content"',
      "dir d 755 0:0 0",
      'file d/f 644 0:0 0 7 "content"',
      'file g 644 0:0 0 7 "content"',
    ]);
    symlinkSync("..", join(root, "d/up"));
    await assert.rejects(paths(follow), code("symlink-loop", "up"));
    rmSync(join(root, "d/up"));
    symlinkSync("self", join(root, "self"));
    await assert.rejects(paths(follow), code("file-unreadable", "self"));
    rmSync(join(root, "self"));
    symlinkSync("gone", join(root, "nowhere"));
    await assert.rejects(paths(follow), code("file-unreadable", "nowhere"));
  }));

test("sockets and pipes are skipped and told", () =>
  inFolder(async (root) => {
    writeFileSync(join(root, "f"), "");
    execFileSync("mkfifo", [join(root, "pipe")]);
    const server = createServer().listen(join(root, "sock"));
    await new Promise((ready) => server.once("listening", ready));
    try {
      assert.deepEqual(await paths(folderTree(root)), ["f"]);
      assert.deepEqual(await told(root), ["warning skipped pipe", "warning skipped sock"]);
    } finally {
      server.close();
    }
  }));

test("names that a layer would read as whiteouts are left out and told", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, ".wh.d"));
    for (const f of ["x", ".wh.x", ".wh..wh..opq", ".wh.d/y"]) writeFileSync(join(root, f), "");
    assert.deepEqual(await paths(folderTree(root)), ["x"]);
    assert.deepEqual(
      await told(root),
      [".wh..wh..opq", ".wh.d", ".wh.x"].map((p) => `warning skipped ${p}`),
    );
  }));

test("secrets, colliding and decomposed names, dropped bits are told", () =>
  inFolder(async (root) => {
    for (const d of [".git", "in"]) mkdirSync(join(root, d));
    for (const f of [
      ".git/key.pem",
      ".env",
      ".env.example",
      "in/.npmrc",
      "in/id_rsa",
      "in/id_rsa.pub",
      "in/x.pem",
    ]) {
      writeFileSync(join(root, f), "", { mode: 0o644 });
    }
    for (const f of ["Readme", "README", "e\u0301", "É"]) writeFileSync(join(root, f), "", { mode: 0o644 });
    writeFileSync(join(root, "private"), "");
    chmodSync(join(root, "private"), 0o640);
    writeFileSync(join(root, "suid"), "");
    chmodSync(join(root, "suid"), 0o4755);
    assert.deepEqual((await told(root)).sort(), [
      "note mode-dropped suid",
      "warning case-collision Readme",
      "warning case-collision É",
      "warning name-not-nfc e\u0301",
      "warning secret .env",
      "warning secret .git",
      "warning secret in/.npmrc",
      "warning secret in/id_rsa",
      "warning secret in/x.pem",
      "warning secret private",
    ]);
  }));

test("a name that is not UTF-8 is an error", () =>
  inFolder(async (root) => {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.of(0xff)]), "");
    await assert.rejects(paths(folderTree(root)), code("name-invalid", "bad-"));
  }));

const sizes: readonly [string, number][] = [
  ["small", 1000],
  ["large", 5 * 1024 * 1024 + 7],
];
for (const [kind, size] of sizes) {
  const changes: Readonly<Record<string, (file: string) => void>> = {
    grows: (file) => appendFileSync(file, "x"),
    shrinks: (file) => writeFileSync(file, "x"),
    vanishes: (file) => rmSync(file),
    "becomes a link": (file) => {
      rmSync(file);
      symlinkSync("/etc/hostname", file);
    },
    "becomes a pipe": (file) => {
      rmSync(file);
      execFileSync("mkfifo", [file]);
    },
    "is rewritten": (file) => {
      writeFileSync(file, Buffer.alloc(size, "y"));
      utimesSync(file, 5, 5);
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`a ${kind} file that ${what} between listing and reading is an error that names it`, () =>
      inFolder(async (root) => {
        const file = join(root, "victim");
        writeFileSync(file, Buffer.alloc(size, "x"));
        const read = async () => {
          for await (const e of folderTree(root)(quietCall())) {
            change(file);
            if (e.type === "file") for await (const _ of e.body.open(0, quietCall()));
          }
        };
        await assert.rejects(
          read(),
          (e) => e instanceof BaseError && e.code === "file-changed" && e.message.includes(file),
        );
      }));
  }
}

test("a large file that changes while it is read is an error", () =>
  inFolder(async (root) => {
    const file = join(root, "victim");
    writeFileSync(file, Buffer.alloc(8 * 1024 * 1024));
    const read = async () => {
      for await (const e of folderTree(root)(quietCall())) {
        if (e.type === "file") for await (const _ of e.body.open(0, quietCall())) appendFileSync(file, "x");
      }
    };
    await assert.rejects(read(), code("file-changed", "victim"));
  }));

test("bodies can be opened again from any offset", () =>
  inFolder(async (root) => {
    const bytes = Buffer.alloc(3 * 1024 * 1024 + 11);
    for (let i = 0; i < bytes.length; i += 4)
      bytes.writeUInt32LE((i * 2654435761) >>> 0, Math.min(i, bytes.length - 4));
    writeFileSync(join(root, "large"), bytes);
    writeFileSync(join(root, "small"), bytes.subarray(0, 999));
    for await (const e of folderTree(root)(quietCall())) {
      if (e.type !== "file") continue;
      for (const from of [0, 1, 998, 999, 1_048_576, 1_048_577, bytes.length]) {
        const parts: Buffer[] = [];
        for await (const c of e.body.open(from, quietCall())) parts.push(Buffer.from(c));
        assert.ok(
          Buffer.concat(parts).equals(bytes.subarray(0, e.size).subarray(from)),
          `${e.path} from ${from}`,
        );
      }
    }
  }));

test("an unreadable file or folder is an error that names it", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d/f"), "x");
    chmodSync(root, 0o755);
    // Root may read everything, so the walk runs as somebody else.
    const asOther = async (act: () => Promise<unknown>) => {
      if (process.getuid?.() !== 0) return act();
      process.seteuid?.(65534);
      try {
        return await act();
      } finally {
        process.seteuid?.(0);
      }
    };
    chmodSync(join(root, "d/f"), 0o000);
    await assert.rejects(
      asOther(() => listing(folderTree(root))),
      code("file-unreadable", "d/f"),
    );
    chmodSync(join(root, "d"), 0o000);
    await assert.rejects(
      asOther(() => listing(folderTree(root))),
      code("file-unreadable", "d"),
    );
    chmodSync(join(root, "d"), 0o755);
    await assert.rejects(listing(folderTree(join(root, "missing"))), code("file-unreadable", "missing"));
  }));

test("a root may be written with slashes at its end; a file is no root", () =>
  inFolder(async (root) => {
    writeFileSync(join(root, ".imgvolignore"), "x\n");
    for (const f of ["x", "y"]) writeFileSync(join(root, f), f);
    assert.deepEqual(await paths(folderTree(`${root}//`)), ["y"]);
    await assert.rejects(paths(folderTree(join(root, "y"))), code("file-unreadable", "/y"));
    const first = await folderTree("/")(quietCall())[Symbol.asyncIterator]().next();
    assert.ok(!first.done && !first.value.path.startsWith("/"));
  }));

test("an aborted call ends the walk", () =>
  inFolder(async (root) => {
    writeFileSync(join(root, "f"), "x");
    await assert.rejects(listing(folderTree(root), AbortSignal.abort()), { name: "AbortError" });
  }));
