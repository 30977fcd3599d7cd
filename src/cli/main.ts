// The program's entry: side effects live here, so that everything else of cli can be imported by a test.
import { runProgram } from "./program.ts";

hideSqliteWarning();
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader went away (`imgvol ls … | head`): there is nobody left to tell.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await runProgram(process.argv.slice(2));

/** node:sqlite warns that it is experimental at every first use; we pin our use with tests instead. */
function hideSqliteWarning(): void {
  const emit = process.emitWarning.bind(process);
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (String(warning).includes("SQLite is an experimental feature")) return;
    Reflect.apply(emit, process, [warning, ...rest]);
  };
}
