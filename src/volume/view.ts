import type { Call } from "../base/index.ts";

/** What a command sees at one path: a folder of an unpacked volume, read-only. */
export interface View {
  /** Absolute: where the command sees it. It need not exist on this machine. */
  readonly mountPath: string;
  /** Absolute: the folder of the node cache that is shown there. */
  readonly source: string;
}

/** Where a stream of the command goes: the caller's own, nowhere, an open file, or a function that gets the bytes. */
export type Output = "inherit" | "ignore" | number | ((chunk: Uint8Array) => void);

/** A program to start, without a shell. */
export interface Command {
  /** The program and its arguments; a name without `/` is looked up in the PATH of `env`. */
  readonly argv: readonly [string, ...string[]];
  /** All of the environment; the caller's own where not given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Absolute; the caller's own where not given. */
  readonly cwd?: string;
  readonly stdin?: "inherit" | "ignore" | number;
  readonly stdout?: Output;
  readonly stderr?: Output;
  /**
   * Passes INT, TERM, HUP, QUIT, USR1, USR2 and WINCH that this process receives on to the command, instead of acting on
   * them. For programs whose only task is the command.
   */
  readonly forwardSignals?: boolean;
  /** Called once, when the command has been started; a way to wait for it or to signal it. */
  readonly onStart?: (pid: number) => void;
}

/** How a command ended. */
export interface Exit {
  /** Its exit code; 128 + n where signal n ended it; 126 not executable, 127 not found. */
  readonly code: number;
  readonly signal?: NodeJS.Signals;
}

/** Whether something works on this machine: found by doing it, not by reading settings. */
export type Probe = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** A way to start a command that sees volumes, which only that command sees. */
export interface Launcher {
  readonly name: string;
  probe(call: Call): Promise<Probe>;
  /** Where the command will see a view: its mount path, unless this machine cannot do that. */
  where(view: View): string;
  /**
   * Starts the command and waits until it ended. An aborted call ends it: TERM, then KILL after ten seconds.
   * @throws VolumeError `view-failed` where the view could not be made; the command was then not started
   */
  launch(views: readonly View[], command: Command, call: Call): Promise<Exit>;
}
