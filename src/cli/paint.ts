import { styleText } from "node:util";

const STYLES: Readonly<Record<string, "red" | "yellow" | "cyan">> = {
  error: "red",
  warning: "yellow",
  note: "cyan",
  hint: "cyan",
  fix: "cyan",
};

/** Our own lines for a terminal with colours: the word that each begins with (`error:`, `hint:`) in its colour. */
export function painted(text: string): string {
  return text.replace(/^( *)(error|warning|note|hint|fix):/gm, (_, indent: string, word: string) => {
    const style = STYLES[word];
    return style === undefined
      ? `${indent}${word}:`
      : `${indent}${styleText(style, `${word}:`, { validateStream: false })}`;
  });
}
