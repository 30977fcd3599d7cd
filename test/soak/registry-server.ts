import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");

/** A registry over a folder that is killed and started again, on the same port. */
export class KillableRegistry implements AsyncDisposable {
  readonly host: string;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #said = "";
  #peak = 0;
  #ending = false;
  #disposed = false;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.host = `127.0.0.1:${port}`;
  }

  static async start(folder: string): Promise<KillableRegistry> {
    const server = new KillableRegistry(folder, await freePort());
    await server.startAgain();
    return server;
  }

  /** Of resident memory, in bytes: the most that any of its processes had. */
  get peak(): number {
    return this.#peak;
  }

  /** Whether it was started, and has not been told to end. */
  get runs(): boolean {
    return this.#child !== undefined && !this.#ending;
  }

  /** What it said that is no word of welcome: its own failures. */
  get complaints(): readonly string[] {
    return this.#said.split("\n").filter((line) => line !== "" && !/^a registry over|^http:/.test(line));
  }

  /** Throws where the server ended by itself. */
  checkAlive(): void {
    const child = this.#child;
    if (this.#ending || child === undefined) return;
    assert.ok(child.exitCode === null && child.signalCode === null, `the server ended:\n${this.#said}`);
  }

  async startAgain(): Promise<void> {
    for (let attempt = 0; !this.#disposed; attempt++) {
      const args = ["registry", "serve", "--listen", this.host, "--dir", this.#folder];
      // As the launcher sets it (docs/adr/0005).
      const child = spawn(process.execPath, ["--semi-space-growth-factor=1", main, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (this.#child === child) this.#said += text;
      });
      const listening = once(child.stdout, "data").then(() => true);
      if (await Promise.race([listening, once(child, "exit").then(() => false)])) {
        this.#child = child;
        this.#said += said;
        this.#ending = false;
        if (this.#disposed) await this.#end("SIGTERM");
        return;
      }
      // A garbage collection that found no server may have the folder for a moment.
      assert.ok(
        attempt < 50 && said.includes("another registry serves"),
        `the server does not start:\n${said}`,
      );
    }
  }

  async kill(): Promise<void> {
    await this.measure();
    await this.#end("SIGKILL");
  }

  async measure(): Promise<void> {
    const status = await readFile(`/proc/${this.#child?.pid}/status`, "utf8").catch(() => "");
    this.#peak = Math.max(this.#peak, Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#ending = true;
    const gone = once(child, "exit");
    child.kill(signal);
    // One that is stuck has said so by now.
    const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(kill);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
