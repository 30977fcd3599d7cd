import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hash } from "bcryptjs";
import { temporaryFolder } from "../../src/base/index.ts";
import { TestCluster } from "./cluster.ts";
import { publish, publishTools, writeVolume } from "./images.ts";

const PASSWORD = "right, and only this";
const folder = await temporaryFolder(tmpdir(), "imgvol-secrets-");
let cluster: TestCluster;
let at = "";

before(async () => {
  const htpasswd = join(folder.path, "htpasswd");
  await writeFile(htpasswd, `puller:${await hash(PASSWORD, 5)}\n`);
  cluster = await TestCluster.start({ htpasswd });
  at = cluster.cluster.registry;
  const config = join(folder.path, "config.json");
  await writeFile(config, JSON.stringify(dockerConfig(PASSWORD)));
  process.env["REGISTRY_AUTH_FILE"] = config;
  await publishTools(`${at}/tools:1`, folder.path);
  await publish(`${at}/secret:1`, await writeVolume(folder.path, "hello"));
  for (const [name, password] of [
    ["right", PASSWORD],
    ["wrong", "not this one"],
  ] as const) {
    const data = Buffer.from(JSON.stringify(dockerConfig(password))).toString("base64");
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/dockerconfigjson",
      metadata: { name },
    };
    await cluster.apply({ ...secret, data: { ".dockerconfigjson": data } });
  }
});
after(async () => {
  delete process.env["REGISTRY_AUTH_FILE"];
  await cluster?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function dockerConfig(password: string): object {
  return { auths: { [at]: { auth: Buffer.from(`puller:${password}`).toString("base64") } } };
}

interface Events {
  readonly items: readonly { readonly reason: string; readonly message: string }[];
}

for (const [name, secrets, said] of [
  ["right", ["right"], /^Successfully pulled image "localhost:\d+\/secret:1"/],
  ["wrong", ["wrong"], /401 Unauthorized/],
  ["missing", ["nowhere"], /FailedToRetrieveImagePullSecret|no basic auth credentials/],
  ["none", [], /no basic auth credentials/],
] as const) {
  test(`imagePullSecrets: ${name}`, async () => {
    const containers = [
      {
        name: "app",
        image: `${at}/tools:1`,
        command: ["sh", "-c", "cat /volume/greeting; sleep 600"],
        volumeMounts: [{ name: "volume", mountPath: "/volume" }],
      },
    ];
    const volumes = [{ name: "volume", image: { reference: `${at}/secret:1`, pullPolicy: "IfNotPresent" } }];
    const imagePullSecrets = secrets.map((secret) => ({ name: secret }));
    const spec = { automountServiceAccountToken: false, containers, volumes, imagePullSecrets };
    await cluster.apply({ apiVersion: "v1", kind: "Pod", metadata: { name }, spec });
    const about = `involvedObject.name=${name}`;
    const { items } = await cluster.until(
      `event like ${said}`,
      () => cluster.get<Events>("events", "--field-selector", about),
      (events) => events.items.some(({ reason, message }) => said.test(message) || said.test(reason)),
    );
    const seen = items.map(({ message }) => message).join("\n");
    assert.ok(!seen.includes(PASSWORD) && !seen.includes("not this one"), "no event holds a password");
    if (name === "right")
      await cluster.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=300s"]);
    else {
      const pod = await cluster.get<{ status: { phase: string } }>("pod", name);
      assert.equal(pod.status.phase, "Pending");
    }
  });
}
