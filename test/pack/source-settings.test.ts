// What is read of the user's own settings: Maven's settings.xml and npm's .npmrc.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { SourceError } from "../../src/pack/index.ts";
import { mavenSettings } from "../../src/pack/source-maven-settings.ts";
import { npmConfig } from "../../src/pack/source-npm-config.ts";
import { below, parseXml, textOf } from "../../src/pack/source-xml.ts";

const folder = mkdtempSync(join(tmpdir(), "settings-"));
after(() => rmSync(folder, { recursive: true }));

let homes = 0;
function home(files: Readonly<Record<string, string>>): string {
  const path = join(folder, `home-${homes++}`);
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

const mirror = (id: string, of: string, url: string, more = ""): string =>
  `<mirror><id>${id}</id><mirrorOf>${of}</mirrorOf><url>${url}</url>${more}</mirror>`;
const settings = (mirrors: string, more = ""): string =>
  `<?xml version="1.0"?>\n<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>${mirrors}</mirrors>${more}</settings>`;

const CENTRAL = "https://repo.maven.apache.org/maven2/";
const MIRRORS: readonly [string, string, string, string][] = [
  ["no mirror", "", "", CENTRAL],
  ["one for central", mirror("a", "central", "https://a.example/m2"), "", "https://a.example/m2/"],
  ["one in a comment", `<!-- <b> ${mirror("a", "central", "https://a.example")} - -->`, "", CENTRAL],
  ["one for all", mirror("a", "*", "https://a.example"), "", "https://a.example/"],
  ["one for all that is not here", mirror("a", "external:*", "https://a.example"), "", "https://a.example/"],
  [
    "one for plain HTTP",
    mirror("a", "external:http:*", "http://0.0.0.0/", "<blocked>true</blocked>"),
    "",
    CENTRAL,
  ],
  ["one for all but central", mirror("a", "*,!central", "https://a.example"), "", CENTRAL],
  ["one in a list", mirror("a", "x, central", "https://a.example"), "", "https://a.example/"],
  ["one for another", mirror("a", "jboss", "https://a.example"), "", CENTRAL],
  [
    "the exact one before the first",
    mirror("a", "*", "https://a.example") + mirror("b", "central", "https://b.example"),
    "",
    "https://b.example/",
  ],
  [
    "the user's before the installation's",
    mirror("a", "*", "https://a.example"),
    mirror("g", "*", "https://g.example"),
    "https://a.example/",
  ],
  [
    "the user's hides one of the same id",
    mirror("a", "jboss", "https://a.example"),
    mirror("a", "central", "https://g.example"),
    CENTRAL,
  ],
  ["the installation's alone", "", mirror("g", "central", "https://g.example"), "https://g.example/"],
];

for (const [title, user, global, wanted] of MIRRORS) {
  test(`Maven mirrors: ${title}`, () => {
    const at = home({ ".m2/settings.xml": settings(user), "maven/conf/settings.xml": settings(global) });
    const { central, local } = mavenSettings({ env: { MAVEN_HOME: join(at, "maven") }, home: at });
    assert.equal(central.url.href, wanted);
    assert.equal(local, join(at, ".m2/repository"));
  });
}

test("Maven settings: a server's password goes with its mirror, the environment is put in", () => {
  const servers = `<servers><server><id>a</id><username>me</username><password>\${env.PW}</password></server></servers>`;
  const xml = settings(
    mirror("a", "*", `\${env.HOST}/m2`),
    `${servers}<localRepository>\${user.home}/r</localRepository>`,
  );
  const at = home({ ".m2/settings.xml": xml });
  const env = { PW: "p<w", HOST: "https://a.example", MAVEN_HOME: "/nothing" };
  const { central, local } = mavenSettings({ env, home: at });
  assert.equal(central.url.href, "https://a.example/m2/");
  assert.deepEqual(central.headers, { authorization: `Basic ${Buffer.from("me:p<w").toString("base64")}` });
  assert.equal(local, `${at}/r`);
});

test("Maven settings: what is found by the mvn on the path", () => {
  const at = home({
    "maven/conf/settings.xml": settings(mirror("g", "*", "https://g.example")),
    "maven/bin/mvn": "",
  });
  chmodSync(join(at, "maven/bin/mvn"), 0o755);
  const { central } = mavenSettings({ env: { PATH: `/nothing:${at}/maven/bin` }, home: at });
  assert.equal(central.url.href, "https://g.example/");
});

const REFUSED: readonly [string, string, string][] = [
  ["a blocked mirror", mirror("a", "*", "https://a.example", "<blocked>true</blocked>"), "payload-denied"],
  ["a mirror that is no URL", mirror("a", "*", "a.example"), "settings-invalid"],
  ["a mirror of files", mirror("a", "*", "file:///m2"), "settings-invalid"],
  ["broken XML", "<mirror>", "settings-invalid"],
  ["an entity of its own", "&own;", "settings-invalid"],
];

for (const [title, mirrors, code] of REFUSED) {
  test(`Maven settings: ${title} is refused`, () => {
    const at = home({ ".m2/settings.xml": settings(mirrors) });
    assert.throws(() => mavenSettings({ env: { MAVEN_HOME: "/nothing" }, home: at }), { code });
  });
}

test("Maven settings: an encrypted password is not sent as it stands", () => {
  const servers =
    "<servers><server><id>a</id><username>me</username><password>{COQLCE6DU6=}</password></server></servers>";
  const at = home({ ".m2/settings.xml": settings(mirror("a", "*", "https://a.example"), servers) });
  assert.throws(() => mavenSettings({ env: { MAVEN_HOME: "/nothing" }, home: at }), {
    code: "payload-denied",
    hint: /\$\{env\.NAME\}/,
  });
});

test("a repository's or registry's address that is none is told without what may be its password", () => {
  for (const address of ["htps://me:hush@a.example/", "hush:@a.example", "//me:hu/sh@hush@a.example"]) {
    const at = home({
      ".m2/settings.xml": settings(mirror("a", "*", address)),
      ".npmrc": `registry=${address}\n`,
    });
    for (const read of [
      () => mavenSettings({ env: { MAVEN_HOME: "/nothing" }, home: at }),
      () => npmConfig({ env: { npm_config_globalconfig: join(at, "none") }, home: at }).registryFor("a"),
    ]) {
      assert.throws(read, (error: unknown) => {
        assert.ok(error instanceof SourceError && error.code === "settings-invalid");
        assert.match(error.message, /…@a\.example/);
        return !/hush|hu\/sh/.test(error.message);
      });
    }
  }
});

test("XML: text, entities, CDATA, prefixes, attributes and comments", () => {
  const xml = `<?xml version="1.0"?><!-- <a>no</a> --><s:a x="1>2" y='<'>
    <b>1 &lt; 2 &amp;&#x41;&#66;</b><b><![CDATA[<c>]]></b><b/><!-- <b>no</b> --></s:a>`;
  const root = parseXml(xml, "a.xml");
  assert.equal(root.name, "a");
  assert.deepEqual(
    below(root, "b").map((b) => b.text),
    ["1 < 2 &AB", "<c>", ""],
  );
  assert.equal(textOf(root, "b"), "1 < 2 &AB");
  assert.equal(textOf(root, "c"), undefined);
});

for (const xml of [
  "",
  "text",
  "<a>",
  "</a>",
  "<a></b>",
  "<a><b></a></b>",
  "<a/><b/>",
  "<a",
  "<!DOCTYPE a><a/>",
  "<a>&x;</a>",
  "<a>&#0;</a>",
  "<!-- <a/>",
]) {
  test(`XML: ${JSON.stringify(xml)} is refused`, () => {
    assert.throws(() => parseXml(xml, "a.xml"), { code: "settings-invalid", message: /a\.xml/ });
  });
}

const NPM: readonly [string, string, Record<string, string>, string, string, string | undefined][] = [
  ["nothing set", "", {}, "express", "https://registry.npmjs.org/", undefined],
  [
    "the user's registry",
    "registry = https://n.example/npm\n",
    {},
    "express",
    "https://n.example/npm/",
    undefined,
  ],
  [
    "the environment wins",
    "registry=https://n.example\n",
    { npm_config_registry: "https://e.example" },
    "express",
    "https://e.example/",
    undefined,
  ],
  ["a scope's own", "@s:registry=https://s.example\n", {}, "@s/a", "https://s.example/", undefined],
  [
    "not another scope's",
    "@s:registry=https://s.example\n",
    {},
    "@t/a",
    "https://registry.npmjs.org/",
    undefined,
  ],
  [
    "comments",
    "; registry=https://a.example\n# registry=https://b.example\n",
    {},
    "a",
    "https://registry.npmjs.org/",
    undefined,
  ],
  [
    "a token",
    `registry=https://n.example/npm/\n//n.example/npm/:_authToken=\${T}\n`,
    { T: "t1" },
    "a",
    "https://n.example/npm/",
    "Bearer t1",
  ],
  [
    "a token of the folder above",
    "registry=https://n.example/x/y/\n//n.example/x/:_authToken=t\n",
    {},
    "a",
    "https://n.example/x/y/",
    "Bearer t",
  ],
  [
    "a token of another host",
    "registry=https://n.example/\n//m.example/:_authToken=t\n",
    {},
    "a",
    "https://n.example/",
    undefined,
  ],
  [
    "a token of another port",
    "registry=https://n.example:8443/\n//n.example/:_authToken=t\n",
    {},
    "a",
    "https://n.example:8443/",
    undefined,
  ],
  [
    "a token of a longer path",
    "registry=https://n.example/\n//n.example/x/:_authToken=t\n",
    {},
    "a",
    "https://n.example/",
    undefined,
  ],
  [
    "user and password",
    "registry=https://n.example/\n//n.example/:username=u\n//n.example/:_password=cHc=\n",
    {},
    "a",
    "https://n.example/",
    `Basic ${Buffer.from("u:pw").toString("base64")}`,
  ],
];

for (const [title, npmrc, env, name, url, authorization] of NPM) {
  test(`npm settings: ${title}`, () => {
    const at = home({ ".npmrc": npmrc });
    const config = npmConfig({ env: { npm_config_globalconfig: "/nothing", ...env }, home: at });
    const registry = config.registryFor(name);
    assert.equal(registry.url.href, url);
    assert.equal(registry.headers["authorization"], authorization);
  });
}

test("npm settings: a registry that is no URL is refused", () => {
  const at = home({ ".npmrc": "registry=file:///etc\n" });
  const config = npmConfig({ env: { npm_config_globalconfig: "/nothing" }, home: at });
  assert.throws(() => config.registryFor("a"), { code: "settings-invalid" });
});
