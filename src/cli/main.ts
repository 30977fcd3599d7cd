// The program's entry: side effects live here, so that everything else of cli can be imported by a test.
import { programHelp } from "./help.ts";

hideSqliteWarning();
let lost = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader went away (`imgvol ls … | head`): what is under way still has to be cleaned up.
  if (error.code === "EPIPE" || lost) return;
  lost = true;
  process.exitCode = 3;
  void import("./failure.ts").then(({ answerLost }) => process.stderr.write(`${answerLost(error)}\n`));
});
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  // As after Ctrl-C in `imgvol … 2>&1 | tee log`: what is under way still has to be cleaned up.
  // Where a full disk takes no more of it, there is no place left to say so; the exit code still tells.
  const silenced = ["EPIPE", "ENOSPC", "EDQUOT", "EIO"].includes(error.code ?? "");
  if (!silenced) throw error;
});
const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--help" || argv[0] === "-h")) process.stdout.write(programHelp());
else {
  // The parser and all that stands behind it are loaded only for those who ask for more than the help.
  const { runProgram } = await import("./program.ts");
  const exit = await runProgram(argv);
  process.exitCode = lost ? 3 : exit;
}

/** node:sqlite warns that it is experimental at every first use; we pin our use with tests instead. */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process);
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (String(warning).includes("SQLite is an experimental feature")) return;
    Reflect.apply(emit, process, [warning, ...rest]);
  };
}
