import { PresetError } from "./errors.ts";

/** A JSON value on its way to a shape; `at` is its place in the file, for messages. */
export class Shape {
  readonly value: unknown;
  readonly at: string;

  constructor(value: unknown, at: string) {
    this.value = value;
    this.at = at;
  }

  /** @throws PresetError `preset-invalid` */
  fail(wanted: string): never {
    throw new PresetError("preset-invalid", `${this.at}: ${wanted} is missing, or is something else`);
  }

  get given(): boolean {
    return this.value !== undefined;
  }

  text(): string {
    return typeof this.value === "string" ? this.value : this.fail("a text");
  }

  flag(): boolean {
    return typeof this.value === "boolean" ? this.value : this.fail("true or false");
  }

  oneOf<T extends string>(...words: readonly T[]): T {
    return words.find((word) => word === this.value) ?? this.fail(`one of ${words.join(", ")}`);
  }

  list<T>(read: (item: Shape) => T): T[] {
    if (!Array.isArray(this.value)) return this.fail("a list");
    return this.value.map((item: unknown, i) => read(new Shape(item, `${this.at}[${i}]`)));
  }

  /** An object's fields, where `names` are all that it may have: a misspelt field would be lost silently. */
  fields<N extends string>(...names: readonly N[]): Readonly<Record<N, Shape>> {
    const own = this.entries();
    const strange = [...own.keys()].find((key) => !names.some((name) => name === key));
    if (strange !== undefined)
      throw new PresetError("preset-invalid", `${this.at}: unknown field ${strange}`);
    const fields: Partial<Record<N, Shape>> = {};
    for (const name of names) fields[name] = own.get(name) ?? new Shape(undefined, `${this.at}.${name}`);
    return fields as Record<N, Shape>;
  }

  /** An object as a map from any text to a text. */
  texts(): Record<string, string> {
    return Object.fromEntries([...this.entries()].map(([name, item]) => [name, item.text()]));
  }

  private entries(): Map<string, Shape> {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value)) {
      return this.fail("an object");
    }
    const entries: [string, unknown][] = Object.entries(this.value);
    return new Map(entries.map(([name, item]) => [name, new Shape(item, `${this.at}.${name}`)]));
  }
}
