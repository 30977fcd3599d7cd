import assert from "node:assert/strict";
import { markdownTable } from "./interoperability.ts";
import { type Refusal, refusalOf } from "./refusals.ts";

/** The results of all cells: an operation by a client with a registry. */
export class Matrix {
  readonly #cells = new Map<string, Refusal | "done">();
  readonly #clients: readonly string[];
  readonly #registries: readonly string[];

  constructor(clients: readonly string[], registries: readonly string[]) {
    this.#clients = clients;
    this.#registries = registries;
  }

  /** Does the work of one cell; where a refusal is expected, it must be refused in just that way. */
  async cell(operation: string, client: string, registry: string, work: () => Promise<void>): Promise<void> {
    const refusal = refusalOf(operation, client, registry);
    if (refusal === undefined) await work();
    else await assert.rejects(work, refusal.told, `${refusal.because}: no longer, or otherwise`);
    this.#cells.set(keyOf(operation, client, registry), refusal ?? "done");
  }

  /**
   * The page's table: a row for each group of operations (`push: gzip` is of the group push), with the clients that do
   * alike in one row; below it the reasons of what is refused.
   */
  markdown(operations: readonly string[]): string {
    const reasons: string[] = [];
    const rows = [["", "clients", ...this.#registries]];
    for (const group of new Set(operations.map(groupOf))) {
      const members = operations.filter((operation) => groupOf(operation) === group);
      const alike = new Map<string, string[]>();
      for (const client of this.#clients) {
        const cells = this.#registries.map((registry) => this.#told(members, client, registry, reasons));
        const key = cells.join(" | ");
        alike.set(key, [...(alike.get(key) ?? []), client]);
      }
      for (const [cells, clients] of alike) rows.push([group, clients.join(", "), ...cells.split(" | ")]);
    }
    return `${markdownTable(rows)}\n${reasons.map((reason, i) => `${i + 1}. ${reason}\n`).join("")}`;
  }

  /** `yes`; `**no** [1]`; or, where a part of the group is refused, that part: `not sha512 [2]`. */
  #told(members: readonly string[], client: string, registry: string, reasons: string[]): string {
    const parts: string[] = [];
    for (const operation of members) {
      const cell = this.#cells.get(keyOf(operation, client, registry));
      assert.ok(cell !== undefined, `${operation} by ${client} with ${registry} was not done`);
      if (cell === "done") continue;
      if (!reasons.includes(cell.because)) reasons.push(cell.because);
      const part = operation.split(": ")[1];
      parts.push(`${part === undefined ? "no" : `not ${part}`} [${reasons.indexOf(cell.because) + 1}]`);
    }
    return parts.length === 0 ? "yes" : parts.join(", ");
  }
}

const groupOf = (operation: string): string => operation.split(":")[0] ?? operation;
const keyOf = (...parts: readonly string[]): string => parts.join("\n");
