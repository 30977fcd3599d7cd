/** One line of a metric: `name{labels} value`. */
export interface Sample {
  /** After the metric's name: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All that is told of one metric. */
export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: Iterable<Sample>;
}

export const EXPOSITION = "text/plain; version=0.0.4; charset=utf-8";

/** Metrics as Prometheus reads them (https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4). */
export function exposition(metrics: Iterable<Metric>): string {
  let text = "";
  for (const { name, type, help, samples } of metrics) {
    text += `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = "", labels = {}, value } of samples) {
      const pairs = Object.entries(labels).map(([label, of]) => `${label}="${quoted(of)}"`);
      text += `${name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}\n`;
    }
  }
  return text;
}

/** Counts by labels, each combination from its first use on. */
export class Counter {
  readonly #counts = new Map<string, Sample & { value: number }>();

  add(labels: Readonly<Record<string, string>>, by = 1): void {
    const key = JSON.stringify(labels);
    const sample = this.#counts.get(key);
    if (sample === undefined) this.#counts.set(key, { labels, value: by });
    else sample.value += by;
  }

  samples(): Iterable<Sample> {
    return this.#counts.values();
  }
}

/** How observations spread over ranges, by labels. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #series = new Map<
    string,
    { labels: Readonly<Record<string, string>>; at: number[]; sum: number }
  >();

  /** @param bounds the upper ends of the ranges, rising; the last range has none */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Readonly<Record<string, string>>, value: number): void {
    const key = JSON.stringify(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, at: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
      this.#series.set(key, series);
    }
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const range = found < 0 ? this.#bounds.length : found;
    series.at[range] = (series.at[range] ?? 0) + 1;
    series.sum += value;
  }

  *samples(): Iterable<Sample> {
    for (const { labels, at, sum } of this.#series.values()) {
      let count = 0;
      for (const [i, bound] of [...this.#bounds, Number.POSITIVE_INFINITY].entries()) {
        count += at[i] ?? 0;
        yield { suffix: "_bucket", labels: { ...labels, le: number(bound) }, value: count };
      }
      yield { suffix: "_sum", labels, value: sum };
      yield { suffix: "_count", labels, value: count };
    }
  }
}

function number(value: number): string {
  return value === Number.POSITIVE_INFINITY ? "+Inf" : String(value);
}

function quoted(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
