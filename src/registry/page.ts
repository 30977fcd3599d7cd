import type { Ask } from "./ask.ts";
import { RegistryError } from "./errors.ts";

/** The part of a sorted list that `n` and `last` ask for, with the `Link` to the next part where there is one. */
export async function page(
  { request }: Ask,
  path: string,
  sorted: AsyncIterable<string> | Iterable<string>,
): Promise<{ items: readonly string[]; headers: Readonly<Record<string, string>> }> {
  const n = request.query.get("n");
  if (n !== null && !/^\d{1,9}$/.test(n)) {
    throw new RegistryError("page-invalid", `n is not a number: ${JSON.stringify(n.slice(0, 200))}`);
  }
  const limit = n === null ? Number.POSITIVE_INFINITY : Number(n);
  const last = request.query.get("last") ?? "";
  const items: string[] = [];
  if (limit === 0) return { items, headers: {} };
  for await (const item of sorted) {
    if (item <= last) continue;
    if (items.length === limit) {
      const query = new URLSearchParams({ n: String(limit), last: items.at(-1) ?? "" });
      return { items, headers: { link: `<${path}?${query}>; rel="next"` } };
    }
    items.push(item);
  }
  return { items, headers: {} };
}
