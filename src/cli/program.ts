import { Command, CommanderError, Option } from "commander";
import { failureOf } from "./failure.ts";
import { programHelp } from "./help.ts";
import { type Habits, processIo } from "./io.ts";
import { writtenHere } from "./other-words.ts";
import { interruption } from "./signals.ts";
import type { Run } from "./verb.ts";
import { verbs } from "./verbs.ts";
import { version } from "./version-number.ts";

/** Runs one command line, without the program's name. Gives the exit code; the caller ends the process with it. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  using interrupt = interruption();
  const words = asFlag(argv);
  const failed = verbIn(words)?.failed;
  let exit = 0;
  const run: Run =
    (action) =>
    async (...args) => {
      const command = args.at(-1);
      const habits: Habits = command instanceof Command ? command.optsWithGlobals() : {};
      const io = processIo(habits, interrupt);
      try {
        exit = (await action(io, ...args)) ?? 0;
      } catch (error) {
        const failure = failureOf(error, io.verbose, interrupt.exit);
        if (failure.text !== "") io.complain(failure.text);
        const ours = failure.exit === 2 || failure.exit === 3;
        exit = ours ? (failed ?? failure.exit) : failure.exit;
      }
    };
  try {
    const program = await programFor(words, run);
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are answers; all else that the parser refuses is wrong use.
    return error.exitCode === 0 ? 0 : (failed ?? 2);
  }
  return exit;
}

/** The program with every verb's name, and the arguments and options of the one that `argv` asks for. */
export async function programFor(argv: readonly string[], run: Run): Promise<Command> {
  const program = new Command("imgvol")
    .version(version(), "-V, --version")
    .helpOption("-h, --help")
    .helpCommand(false)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(withHint(text, argv, program)) })
    .exitOverride();
  program.helpInformation = programHelp;
  const asked = verbIn(argv);
  for (const listed of verbs) {
    const command = program.command(listed.name).summary(listed.summary);
    if (listed.alias !== undefined) command.alias(listed.alias);
    if (asked !== listed) continue;
    const { verb } = await listed.load();
    command.description(listed.summary);
    verb.define(command.helpCommand(false), run);
    addHabits(command);
  }
  return program;
}

function addHabits(command: Command): void {
  const leaves = command.commands.length === 0 ? [command] : command.commands;
  for (const leaf of leaves) {
    leaf
      .option("--quiet", "say only warnings and errors")
      .option("--verbose", "say more, with stack traces")
      .addOption(
        new Option("--color <when>", "colour the output")
          .choices(["auto", "always", "never"])
          .default("auto"),
      );
  }
}

type ListedVerb = (typeof verbs)[number];

function verbIn(argv: readonly string[]): ListedVerb | undefined {
  const word = argv.find((each) => !each.startsWith("-"));
  return verbs.find(({ name, alias }) => word !== undefined && (word === name || word === alias));
}

/** `help [VERB]` is what many type. And help of a verb that is not there would be everybody's, as if all were well. */
function asFlag(argv: readonly string[]): readonly string[] {
  const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
  const known = words[0]?.startsWith("-") !== false || verbIn(words) !== undefined;
  return known ? words : words.slice(0, 1);
}

/** The flag that `typed` is the beginning of: as `--password` is of `--password-stdin`. */
function begunBy(typed: string | undefined, command: Command | undefined): string | undefined {
  if (typed === undefined) return undefined;
  return command?.options.find(({ long }) => long?.startsWith(`${typed}-`))?.long ?? undefined;
}

/** commander's "(Did you mean …?)" in the form of our hints; where it has none, where to read on. */
function withHint(text: string, argv: readonly string[], program: Command): string {
  const near = /\n?\(Did you mean (.*)\?\)/s;
  if (!text.startsWith("error:")) return text;
  const verb = verbIn(argv);
  const [first = ""] = argv;
  const written = verb === undefined ? writtenHere(first) : undefined;
  if (written !== undefined) return `${text.replace(near, "")}hint: did you mean imgvol ${written}?\n`;
  if (near.test(text)) return text.replace(near, (_, names: string) => `\nhint: did you mean ${names}?`);
  if (verb === undefined) return `${text}hint: imgvol --help lists the verbs\n`;
  if (first.startsWith("-"))
    return `${text}hint: flags come after the verb, as in imgvol ${verb.name} ${first}\n`;
  const command = program.commands.find((each) => each.name() === verb.name);
  const leaf = command?.commands.find((each) => each.name() === argv[1]);
  const long = begunBy(/unknown option '(--[^'=]+)/.exec(text)?.[1], leaf ?? command);
  if (long !== undefined) return `${text}hint: did you mean ${long}?\n`;
  return `${text}hint: see imgvol ${verb.name}${leaf === undefined ? "" : ` ${leaf.name()}`} --help\n`;
}
