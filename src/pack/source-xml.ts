import { SourceError } from "./source-errors.ts";

/** An element: its children, and the text that stands directly in it, trimmed. Attributes are not kept. */
export interface Element {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Element[];
}

const TOKEN =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([^\s<>/!?]+)(?:[^<>"']|"[^"]*"|'[^']*')*?(\/?)>|([^<]+)/y;

/**
 * Reads XML as simple as Maven's settings: elements, text, CDATA and comments. A document type is refused, and with it
 * every entity but the five and the numeric ones.
 *
 * @param origin the file, for messages
 * @throws SourceError `settings-invalid`
 */
export function parseXml(xml: string, origin: string): Element {
  const root: Open = { name: "", text: "", children: [] };
  const open: Open[] = [root];
  const source = xml.replace(/^\ufeff/, "");
  TOKEN.lastIndex = 0;
  for (let at = 0; at < source.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (match === null) throw invalid(origin, `line ${source.slice(0, at).split("\n").length}`);
    const [, cdata, closing, name, empty, text] = match;
    const top = open.at(-1) ?? root;
    if (text !== undefined) top.text += entities(text, origin);
    else if (cdata !== undefined) top.text += cdata;
    else if (name !== undefined && closing) {
      if (open.length === 1 || top.name !== local(name)) throw invalid(origin, `</${name}> closes nothing`);
      open.pop();
    } else if (name !== undefined) {
      const element: Open = { name: local(name), text: "", children: [] };
      top.children.push(element);
      if (!empty) open.push(element);
    }
  }
  const [only, ...more] = root.children;
  if (open.length > 1 || only === undefined || more.length > 0) throw invalid(origin, "its end");
  return trimmed(only);
}

interface Open {
  readonly name: string;
  text: string;
  readonly children: Open[];
}

function trimmed(element: Open): Element {
  return { name: element.name, text: element.text.trim(), children: element.children.map(trimmed) };
}

/** A name without its prefix: settings use one namespace. */
function local(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function entities(text: string, origin: string): string {
  return text.replace(/&(#x?[0-9a-f]+|\w+)?;?/gi, (entity, name: string | undefined) => {
    const char = name?.startsWith("#") ? numeric(name.slice(1)) : NAMED[name ?? ""];
    if (char === undefined || !entity.endsWith(";")) throw invalid(origin, entity);
    return char;
  });
}

function numeric(digits: string): string | undefined {
  const code = /^x/i.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

function invalid(origin: string, where: string): SourceError {
  return new SourceError("settings-invalid", `${origin} is not XML that imgvol reads: ${where}`);
}

/** The texts' places: `child(e, "mirrors", "mirror")` are all `mirror` in all `mirrors` of `e`. */
export function below(element: Element, ...path: readonly string[]): readonly Element[] {
  const [name, ...rest] = path;
  if (name === undefined) return [element];
  return element.children.flatMap((child) => (child.name === name ? below(child, ...rest) : []));
}

/** The text of the first child of this name. */
export function textOf(element: Element, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}
