import { run } from "../../peers/program.ts";
import { HERE } from "../cluster.ts";
import type { Runtime } from "./runtime.ts";

/** Its own failures, and words that it cannot use. */
const REFUSED = [125, 2];

/** `imgvol run --mount`, as root. */
export function imgvolRun(registry: string, cache: string): Runtime {
  return {
    name: "imgvol run",
    registry,
    async run(volumes, script) {
      const mounts = volumes.map(({ reference, at, subPath }) => {
        const sub = subPath === undefined ? "" : `,subpath=${subPath}`;
        return `--mount=type=image,source=${reference},target=${at}${sub}`;
      });
      const words = [`${HERE}/src/cli/main.ts`, "run", ...mounts, "--", "sh", "-c", script];
      const env = { IMGVOL_CACHE: cache };
      const { code, stdout, stderr } = await run(process.execPath, words, { env, codes: [0, ...REFUSED] });
      return code === 0 ? { said: stdout } : { refused: stderr };
    },
    async [Symbol.asyncDispose]() {},
  };
}
