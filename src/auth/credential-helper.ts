import { type ChildProcess, spawn } from "node:child_process";
import { type Call, type Environment, errno, messageOf, shellWord } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { Credentials } from "./credentials.ts";

/** One question to a credential helper. */
export interface HelperRequest {
  /** The helper's name, without `docker-credential-`. */
  readonly name: string;
  readonly verb: "get" | "store" | "erase";
  /** Whose credentials: the server's name. */
  readonly server: string;
  /** For `store` the JSON of what is to be kept. Default: the server's name. */
  readonly input?: string;
  readonly env: Environment;
  /** In milliseconds. Default 2 min. */
  readonly timeout?: number | undefined;
}

const OUTPUT_LIMIT = 1024 * 1024;
const TIMEOUT = 120_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** By the protocol a helper says so on stdout, and fails. */
const NOT_FOUND = /credentials not found/i;

/** The name of a helper's program: where credentials are, for messages. */
export function helperProgram(name: string): string {
  return `docker-credential-${name}`;
}

/**
 * Asks a credential helper (https://github.com/docker/docker-credential-helpers). Undefined where it does not know the server.
 *
 * @throws StoreError `helper-failed` where it cannot be run, fails, takes too long or does not keep to the protocol
 */
export async function askHelper(request: HelperRequest, call: Call): Promise<Credentials | undefined> {
  const program = helperProgram(request.name);
  const failed: Failed = (why) => helperFailed(program, request.server, why);
  if (!NAME.test(request.name)) throw failed("that is not a helper's name");
  const { code, output } = await run(program, request, failed, call);
  if (code !== 0) {
    if (NOT_FOUND.test(output)) return undefined;
    // Its output is not repeated: it may hold what it keeps.
    throw failed(`\`${request.verb}\` ended with ${code ?? "a signal"}`);
  }
  return request.verb === "get" ? parse(program, output, failed) : undefined;
}

function parse(program: string, output: string, failed: Failed): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    // Not repeated: it may hold the secret.
  }
  if (!isObject(answer)) throw failed("`get` did not answer in JSON");
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== "string" || typeof secret !== "string") {
    throw failed("`get` answered without a Username or a Secret");
  }
  if (secret === "") return undefined;
  if (username === "<token>") return { kind: "identity-token", token: secret, from: program };
  return { kind: "password", username, password: secret, from: program };
}

function run(
  program: string,
  { verb, server, input = server, env, timeout = TIMEOUT }: HelperRequest,
  failed: Failed,
  { signal }: Call,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, [verb], { stdio: ["pipe", "pipe", "ignore"], env: { ...env } });
    const give = (error: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
      drop(child);
      reject(error);
    };
    const cancel = (): void => give(signal.reason);
    const timer = setTimeout(
      () => give(failed(`\`${verb}\` did not end within ${timeout / 1000} s`)),
      timeout,
    );
    signal.addEventListener("abort", cancel, { once: true });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > OUTPUT_LIMIT) give(failed(`\`${verb}\` answered with more than 1 MiB`));
    });
    child.once("error", (error) => give(failed(whyNot(error))));
    child.once("close", (code) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
      resolve({ code, output });
    });
    // A helper that ends without reading what it was asked.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** Ends a helper for good, and waits for nobody: what it started may hold its output open. */
function drop(child: ChildProcess): void {
  child.kill("SIGKILL");
  child.stdin?.destroy();
  child.stdout?.destroy();
}

function whyNot(error: unknown): string {
  if (errno(error) === "ENOENT") return "it is not in any folder of PATH";
  if (errno(error) !== "EACCES") return messageOf(error);
  return "it may not be run, or a folder of PATH may not be looked into";
}

/** Says why a helper was of no use. */
type Failed = (why: string) => StoreError;

function helperFailed(program: string, server: string, why: string): StoreError {
  return new StoreError("helper-failed", `the credential helper ${program} failed: ${why}`, {
    hint: `the credsStore or credHelpers of docker's config.json name it: install it, or take it out there; \`echo ${shellWord(server)} | ${program} get\` shows what it says`,
  });
}
