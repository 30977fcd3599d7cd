import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError } from "../cluster/index.ts";
import type { Component } from "./components.ts";

/** The programs of the node that run. When one ends by itself, the cluster is over. */
export class RunningComponents {
  readonly #logs: string;
  readonly #children: ChildProcess[] = [];
  readonly #ended = Promise.withResolvers<never>();

  constructor(logs: string) {
    this.#logs = logs;
    this.#ended.promise.catch(() => {});
  }

  /** Rejects with ClusterError `cluster-failed` when a component ends. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  start(component: Component, file: string, env: Readonly<Record<string, string | undefined>>): void {
    const log = openSync(join(this.#logs, `${component.name}.log`), "a", 0o600);
    try {
      const child = spawn(file, component.args, { stdio: ["ignore", log, log], env: { ...env } });
      child.once("error", (error) => this.#over(component, error.message));
      child.once("exit", (code, signal) => this.#over(component, `ended with ${signal ?? code}`));
      this.#children.push(child);
    } finally {
      closeSync(log);
    }
  }

  #over(component: Component, how: string): void {
    void lastLines(join(this.#logs, `${component.name}.log`)).then((said) => {
      const message = `${component.name} ${how}${said === "" ? "" : `: ${said}`}`;
      this.#ended.reject(new ClusterError("cluster-failed", message));
    });
  }
}

/** What a program said last that sounds like a reason. */
async function lastLines(path: string): Promise<string> {
  const lines = (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const grave = lines.filter((line) =>
    /^[EF]\d{4} |"?level"?[:=]"?(?:error|fatal|panic)|^panic: |^Error|rror: /.test(line),
  );
  // The reason comes first in a line; behind it may be a stack.
  const last = (grave.length > 0 ? grave : lines).slice(-2);
  return last.map((line) => line.slice(0, 400)).join(" | ");
}
