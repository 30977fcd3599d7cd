import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";

const LINES = 40;
const LONGEST = 2000;

/**
 * The last lines that a program wrote, over all its streams: kept to be shown where it fails. Without its colours: some write
 * them to whoever reads, and no terminal of theirs is here.
 */
export class OutputTail {
  readonly #lines: string[] = [];
  readonly #heard: (line: string) => void;

  /** `heard` gets every whole line. */
  constructor(heard: (line: string) => void = () => {}) {
    this.#heard = heard;
  }

  /** A receiver for the bytes of one stream. */
  stream(): (chunk: Uint8Array) => void {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    return (chunk) => {
      const lines = (rest + decoder.write(Buffer.from(chunk))).split("\n");
      rest = (lines.pop() ?? "").slice(-LONGEST);
      for (const line of lines) this.add(line.trimEnd().slice(0, LONGEST));
    };
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  add(text: string): void {
    const line = stripVTControlCharacters(text);
    this.#lines.push(line);
    if (this.#lines.length > LINES) this.#lines.shift();
    this.#heard(line);
  }
}
