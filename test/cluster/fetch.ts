// Builds the programs of the tests' clusters before the tests, which have a limit of time: `node test/cluster/fetch.ts`.
import { quietCall } from "../../src/base/index.ts";
import { findBinaries } from "../../src/binaries/index.ts";
import { lineProgress } from "../../src/cli/progress.ts";
import { programs } from "./programs.ts";

const progress = lineProgress((line) => console.log(line));
await findBinaries(programs, { ...quietCall(), progress });
