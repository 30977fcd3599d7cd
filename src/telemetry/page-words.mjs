// Numbers, times and values as people read them.

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** Nanoseconds between two decimal texts, as a number. */
export const between = (from, to) => Math.max(Number(BigInt(to) - BigInt(from)), 0);

export function duration(nanos) {
  if (nanos < 1000) return `${nanos} ns`;
  for (const [unit, size] of [
    ["µs", 1e3],
    ["ms", 1e6],
  ]) {
    if (nanos < size * 999.5) return `${(nanos / size).toPrecision(3)} ${unit}`;
  }
  return nanos < 1e12 ? `${(nanos / 1e9).toPrecision(3)} s` : `${Math.round(nanos / 1e9)} s`;
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

export function when(nanos) {
  const at = new Date(Number(BigInt(nanos) / 1_000_000n));
  const today = at.toDateString() === new Date().toDateString();
  const time = `${clock.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return today ? time : `${date.format(at)} ${time}`;
}

/** A value of an attribute, or the body of a log. */
export const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
