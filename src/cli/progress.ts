import { formatBytes, formatCount, type Progress, printable, type Task, type Unit } from "../base/index.ts";

/** Where no terminal is: one line when a task starts, one when it ends. */
export function lineProgress(line: (text: string) => void): Progress {
  return {
    say: (sentence) => line(printable(sentence)),
    start(name, total, unit) {
      const started = performance.now();
      let done = 0;
      const what = printable(name);
      line(total === undefined || isCounted({ unit }) ? what : `${what} (${formatBytes(total)})`);
      return {
        advance(by) {
          done += by;
        },
        done(note) {
          const seconds = ((performance.now() - started) / 1000).toFixed(1);
          line(`${what}: ${outcome({ total, unit, done }, note)}in ${seconds} s`);
        },
        failed() {
          const seconds = ((performance.now() - started) / 1000).toFixed(1);
          line(`${what}: stopped after ${outcome({ total, unit, done })}${seconds} s`);
        },
      };
    },
  };
}

interface Counted {
  readonly total: number | undefined;
  readonly unit: Unit | undefined;
  done: number;
}

interface Live extends Counted {
  readonly name: string;
  readonly started: number;
}

const FRAME_MS = 100;

/** On a terminal: a live line a task (name, amount, rate, time left), redrawn ten times a second at most. */
export function terminalProgress(out: NodeJS.WriteStream): Progress {
  const live = new Set<Live>();
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const clear = (): void => {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    clear();
    const rows = [...live].slice(0, Math.max(1, (out.rows ?? 24) - 2));
    const text = rows.map((task) => `${liveLine(task, out.columns ?? 80)}\n`).join("");
    out.write(text);
    drawn = rows.length;
  };
  const above = (line: string): void => {
    clear();
    out.write(`${line}\n`);
    if (live.size > 0) draw();
  };
  const end = (task: Live, line: string | undefined): void => {
    live.delete(task);
    clear();
    if (line !== undefined) out.write(`${line}\n`);
    if (live.size > 0) draw();
    else {
      clearInterval(timer);
      timer = undefined;
    }
  };

  return {
    say: (sentence) => above(printable(sentence)),
    start(name, total, unit = "bytes"): Task {
      const task: Live = { name: printable(name), total, unit, started: performance.now(), done: 0 };
      live.add(task);
      // The interval must not keep a finished program alive.
      timer ??= setInterval(draw, FRAME_MS).unref();
      return {
        advance(by) {
          task.done += by;
        },
        done: (note) => end(task, `${task.name}: ${outcome(task, note)}in ${seconds(task).toFixed(1)} s`),
        failed: () => end(task, undefined),
      };
    },
  };
}

function seconds(task: Live): number {
  return Math.max(0.001, (performance.now() - task.started) / 1000);
}

function amount(task: Counted): string {
  return isCounted(task) ? formatCount(task.done, ONE[task.unit], task.unit) : formatBytes(task.done);
}

/** Of what is counted. */
const ONE = { entries: "entry", files: "file", packages: "package" } as const;

function isCounted(
  task: Pick<Counted, "unit">,
): task is Pick<Counted, "unit"> & { readonly unit: keyof typeof ONE } {
  return task.unit !== undefined && task.unit !== "bytes";
}

/**
 * Some tasks only begin and end, and others count what may never come, or not for long: there is nothing to say of these but how
 * long they take.
 */
function isUncounted(task: Counted): boolean {
  return task.done === 0 && (task.total === undefined || isCounted(task));
}

/** What came of a task, with a space behind it, or nothing. */
function outcome(task: Counted, note?: string): string {
  if (note !== undefined) return `${note} `;
  return isUncounted(task) ? "" : `${amount(task)} `;
}

function liveLine(task: Live, columns: number): string {
  const rate = task.done / seconds(task);
  const parts = isUncounted(task) ? [`${Math.floor(seconds(task))} s`] : counts(task, rate);
  if (task.total !== undefined && rate > 0 && task.done < task.total) {
    parts.push(`${Math.ceil((task.total - task.done) / rate)} s left`);
  }
  const state = parts.join(", ");
  const room = columns - state.length - 3;
  const name = task.name.length > room && room > 8 ? `…${task.name.slice(1 - room)}` : task.name;
  return `${name}: ${state}`.slice(0, columns - 1);
}

function counts(task: Live, rate: number): string[] {
  return [
    task.total === undefined || isCounted(task)
      ? amount(task)
      : `${formatBytes(task.done)} of ${formatBytes(task.total)}`,
    isCounted(task) ? `${Math.round(rate)}/s` : `${formatBytes(Math.round(rate))}/s`,
  ];
}
