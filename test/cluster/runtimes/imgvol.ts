import { run } from "../../peers/program.ts";
import { HERE } from "../cluster.ts";
import type { Look, Outcome, Runtime } from "./runtime.ts";

/** Its own failures, and words that it cannot use. */
const REFUSED = [125, 2];

/** `imgvol run --mount`, as root. */
export function imgvolRun(registry: string, cache: string): Runtime {
  return {
    name: "imgvol run",
    registry,
    run: (looks) => Promise.all(looks.map((look) => runLook(look, cache))),
    async [Symbol.asyncDispose]() {},
  };
}

async function runLook({ volumes, script }: Look, cache: string): Promise<Outcome> {
  const mounts = volumes.map(({ reference, at, subPath }) => {
    const sub = subPath === undefined ? "" : `,subpath=${subPath}`;
    return `--mount=type=image,source=${reference},target=${at}${sub}`;
  });
  const words = [`${HERE}/src/cli/main.ts`, "run", ...mounts, "--", "sh", "-c", script];
  const env = { IMGVOL_CACHE: cache };
  const { code, stdout, stderr } = await run(process.execPath, words, { env, codes: [0, ...REFUSED] });
  return code === 0 ? { said: stdout } : { refused: stderr };
}
