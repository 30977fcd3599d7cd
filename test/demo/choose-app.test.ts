import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseApp, parseApp } from "../../src/demo/choose-app.ts";
import { DemoError } from "../../src/demo/errors.ts";
import { parseJavac, parseMaven } from "../../src/demo/java-tools.ts";

const maven = [3, 8, 7];

test("without a name, spring where it can be built, else node, and the reason", () => {
  for (const [tools, app, why] of [
    [{ javac: 17, maven }, "spring", "JDK 17 and Maven 3.8.7 are here"],
    [{ javac: 25, maven: [4, 0] }, "spring", "JDK 25 and Maven 4.0 are here"],
    [{ javac: 17, maven: [3, 6, 3] }, "spring", "JDK 17 and Maven 3.6.3 are here"],
    [{ javac: undefined, maven }, "node", "there is no JDK (javac)"],
    [{ javac: 17, maven: undefined }, "node", "there is no Maven (mvn)"],
    [{ javac: undefined, maven: undefined }, "node", "there is no JDK (javac), there is no Maven (mvn)"],
    [{ javac: 11, maven }, "node", "the JDK is 11, and 17 is needed"],
    [
      { javac: 8, maven: [3, 6, 2] },
      "node",
      "the JDK is 8, and 17 is needed, Maven is 3.6.2, and 3.6.3 is needed",
    ],
  ] as const) {
    assert.deepEqual(chooseApp(undefined, tools), { app, why });
  }
});

test("the asked app is taken, and spring refused where it cannot be built", () => {
  const none = { javac: undefined, maven: undefined };
  assert.deepEqual(chooseApp("node", none), { app: "node", why: "as asked" });
  assert.equal(chooseApp("spring", { javac: 21, maven }).app, "spring");
  for (const tools of [none, { javac: 11, maven }, { javac: 21, maven: undefined }]) {
    assert.throws(
      () => chooseApp("spring", tools),
      (error: unknown) =>
        error instanceof DemoError &&
        error.code === "java-missing" &&
        error.hint?.includes("imgvol demo node") === true,
    );
  }
});

test("another name is wrong use", () => {
  assert.equal(parseApp("node"), "node");
  assert.throws(() => parseApp("rails"), { code: "app-unknown", wrongUse: true });
});

test("what javac and mvn say of themselves", () => {
  for (const [text, release] of [
    ["javac 17.0.15\n", 17],
    ["Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njavac 21\n", 21],
    ["javac 1.8.0_402", 8],
    ["javac 25-ea", 25],
    ["The operation couldn’t be completed. Unable to locate a Java Runtime.", undefined],
    ["", undefined],
  ] as const) {
    assert.equal(parseJavac(text), release, text);
  }
  for (const [text, version] of [
    ["Apache Maven 3.9.9 (8e8579a9e76f7d015ee5ec7bfcdc97d260186937)\nMaven home: /opt", [3, 9, 9]],
    ["\u001b[1mApache Maven 3.8.7\u001b[m\n", [3, 8, 7]],
    ["Apache Maven 4.0.0-rc-4", [4, 0, 0]],
    ["mvn: command not found", undefined],
  ] as const) {
    assert.deepEqual(parseMaven(text), version, text);
  }
});
