import { StringDecoder } from "node:string_decoder";

const LINES = 40;
const LONGEST = 2000;

/** The last lines that a program wrote, over all its streams: kept to be shown where it fails. */
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

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINES) this.#lines.shift();
    this.#heard(line);
  }
}
