import { spawn } from "node:child_process";
import { type Call, messageOf } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { Credentials } from "./auth-credentials.ts";

const OUTPUT_LIMIT = 1024 * 1024;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Asks `docker-credential-NAME` (https://github.com/docker/docker-credential-helpers): `get` and `erase` take a server's
 * name, `store` takes the JSON of what is to be kept. Undefined where the helper does not know the server.
 *
 * @throws StoreError `unauthorized` where the helper cannot be run or fails
 */
export async function askHelper(
  name: string,
  verb: "get" | "store" | "erase",
  input: string,
  env: Readonly<Record<string, string | undefined>>,
  call: Call,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!NAME.test(name)) throw failed(program, "that is not a helper's name");
  const { code, output } = await run(program, verb, input, env, call);
  if (code !== 0) {
    if (/credentials not found|not found in native keychain/i.test(output)) return undefined;
    // Its output may hold what it keeps.
    throw failed(program, `\`${verb}\` ended with ${code}`);
  }
  return verb === "get" ? parse(program, output) : undefined;
}

function parse(program: string, output: string): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    // Not repeated: it may hold the secret.
  }
  if (!isObject(answer)) throw failed(program, "it did not answer in JSON");
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
  if (username === "<token>") return { kind: "identity-token", token: secret };
  return username === "" ? undefined : { kind: "password", username, password: secret };
}

function run(
  program: string,
  verb: string,
  input: string,
  env: Readonly<Record<string, string | undefined>>,
  call: Call,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...env },
      signal: call.signal,
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > OUTPUT_LIMIT) child.kill();
    });
    child.once("error", (error) => {
      reject(call.signal.aborted ? call.signal.reason : failed(program, messageOf(error)));
    });
    child.once("close", (code) => resolve({ code, output }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

function failed(program: string, why: string): StoreError {
  return new StoreError("unauthorized", `the credential helper ${program} failed: ${why}`, {
    hint: "the credsStore and credHelpers of docker's config.json name it; install it, or take it out there",
  });
}
