import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The page whose tables the suite writes, where no other is named. */
const PAGE: string = join(import.meta.dirname, "../../docs/interoperability.md");

/** Whether this run writes the tables anew. */
export const updating: boolean = process.env["UPDATE"] === "1";

const fence = (name: string): RegExp => new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);

/** What the page says in its part of that name. */
export async function section(name: string, path: string = PAGE): Promise<string> {
  const page = await readFile(path, "utf8");
  return new RegExp(`<!-- ${name} -->\n([^]*?)<!-- /${name} -->`).exec(page)?.[1] ?? "";
}

/** Writes one part of the page anew. */
export async function writeSection(name: string, text: string, path: string = PAGE): Promise<void> {
  const page = await readFile(path, "utf8");
  if (!fence(name).test(page)) throw new Error(`${path} has no part ${name}`);
  await writeFile(
    path,
    page.replace(fence(name), (_all, open, close) => `${open}${text}${close}`),
  );
}

/** A Markdown table; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("");
}
