import type { Call } from "../base/index.ts";
import type { Repository } from "../registry/index.ts";

/** All tags of a repository. */
export async function tagsOf({ store }: Repository, call: Call): Promise<string[]> {
  const tags: string[] = [];
  for await (const tag of store.can.tags?.list(call) ?? []) tags.push(tag);
  return tags;
}

/** Tags as a person looks for them: `latest`, then from the highest version down (`1.10` before `1.9`). */
export function newestFirst(tags: readonly string[]): string[] {
  return [...tags].sort((a, b) => Number(b === "latest") - Number(a === "latest") || natural(b, a));
}

/** Numbers within words by their value. */
function natural(a: string, b: string): number {
  const [as, bs] = [parts(a), parts(b)];
  for (let i = 0; i < Math.min(as.length, bs.length); i++) {
    const [x = "", y = ""] = [as[i], bs[i]];
    if (x === y) continue;
    const [m, n] = [Number(x), Number(y)];
    if (Number.isNaN(m) || Number.isNaN(n)) return x < y ? -1 : 1;
    if (m !== n) return m - n;
  }
  return as.length - bs.length || (a < b ? -1 : 1);
}

function parts(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? [];
}
