import { printable } from "../base/index.ts";
import type { Visit } from "./visit.ts";

/** Of what a client writes: enough to recognise it, too little to fill a disk with. */
const LONGEST = 1000;

/**
 * A visit as one line of JSON. The query is left out (uploads and mirrors may have secrets in theirs), and so are all header
 * fields but `User-Agent`; what could forge or hide a line on a terminal is escaped.
 */
export function accessLine(visit: Visit): string {
  const words = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : printable(text.slice(0, LONGEST));
  return JSON.stringify({
    time: visit.time.toISOString(),
    id: visit.id,
    client: visit.address,
    user: words(visit.user),
    method: words(visit.method),
    path: words(visit.path),
    status: visit.status,
    bytesIn: visit.received,
    bytesOut: visit.sent,
    ms: Math.round(visit.seconds * 1000),
    end: visit.end,
    agent: words(visit.agent),
  });
}
