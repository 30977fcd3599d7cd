/** What goes with every long call: how to cancel it, and where to say how far it is. */
export interface Call {
  readonly signal: AbortSignal;
  readonly progress?: Progress | undefined;
}

/** Receives the state of long work. Implementations must be cheap: `advance` is called per chunk. */
export interface Progress {
  /** Begins a task. `total` is in bytes unless `unit` says otherwise; undefined when not known. */
  start(name: string, total?: number, unit?: Unit): Task;
  /** A sentence about what is happening now, without a task of its own. */
  say(sentence: string): void;
}

/** What a task counts. */
export type Unit = "bytes" | "entries" | "files" | "packages";

/** One piece of work on its way. Exactly one of `done` and `failed` ends it. */
export interface Task {
  /** `by` more bytes (or what its unit says). Negative when work is repeated after a cut connection. */
  advance(by: number): void;
  done(note?: string): void;
  failed(): void;
}

const silentTask: Task = { advance() {}, done() {}, failed() {} };

/** A progress that says nothing: for callers who passed none. */
export const silent: Progress = { start: () => silentTask, say() {} };

/** A call that is never cancelled and reports nowhere. */
export function quietCall(signal: AbortSignal = new AbortController().signal): Call {
  return { signal };
}
