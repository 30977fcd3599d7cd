// Writes docs/cli.md from the commands themselves; with --check, fails where it differs.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { programFor } from "../src/cli/program.ts";
import type { Run } from "../src/cli/verb.ts";
import { verbs } from "../src/cli/verbs.ts";

const path = "docs/cli.md";
const nothing: Run = () => async () => {};

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100 }).outputHelp();
  return `\`\`\`text\n${text.trim()}\n\`\`\`\n`;
}

const parts = ["# The command line", "", "Made from the commands: `node tools/cli-reference.ts`.", ""];
for (const listed of verbs) {
  const program = await programFor([listed.name], nothing);
  const command = program.commands.find((c) => c.name() === listed.name);
  if (command === undefined) throw new Error(`no verb ${listed.name}`);
  parts.push(`## ${listed.name}`, "", helpOf(command));
  for (const sub of command.commands) parts.push(`### ${listed.name} ${sub.name()}`, "", helpOf(sub));
}
const made = `${parts.join("\n").trimEnd()}\n`;

if (process.argv.includes("--check")) {
  if (readFileSync(path, "utf8") !== made) {
    console.error(`error: ${path} is not what the commands say\nhint: node tools/cli-reference.ts`);
    process.exit(1);
  }
} else {
  mkdirSync("docs", { recursive: true });
  writeFileSync(path, made);
}
