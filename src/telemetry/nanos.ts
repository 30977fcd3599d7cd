/** The largest integer that SQLite holds; as nanoseconds, the year 2262. */
const LARGEST = 2n ** 63n - 1n;

/** An OTLP time as the database holds it. */
export function storedNanos(nanos: bigint): bigint {
  return nanos > LARGEST ? LARGEST : nanos;
}
