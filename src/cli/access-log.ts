import { createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { ImgvolError, messageOf } from "../base/index.ts";

/** Of lines that wait for a slow disk, in bytes; beyond it they are dropped and counted, and no client waits. */
const WAITING = 8 * 1024 * 1024;

export interface AccessLog extends AsyncDisposable {
  write(line: string): void;
}

/**
 * A log to which lines are added: a file, or stderr for `-` and for the flag without a value.
 *
 * @param complain told once when lines are lost
 * @throws ImgvolError `log-unwritable`
 */
export async function openAccessLog(
  file: string | true,
  complain: (text: string) => void,
): Promise<AccessLog> {
  if (file === true || file === "-") {
    return { write: (line) => process.stderr.write(`${line}\n`), async [Symbol.asyncDispose]() {} };
  }
  const handle = await open(file, "a", 0o640).catch((cause: unknown) => {
    throw new ImgvolError("log-unwritable", `--access-log: cannot write ${file}: ${messageOf(cause)}`, {
      hint: "name a file in a folder that you may write",
      cause,
      wrongUse: true,
    });
  });
  const stream = createWriteStream(file, { fd: handle });
  let lost = false;
  const lose = (why: string): void => {
    if (!lost) complain(`warning: ${file}: lines of the access log are lost: ${why}`);
    lost = true;
  };
  stream.on("error", (error) => lose(error.message));
  return {
    write(line) {
      if (stream.writableLength > WAITING) lose("its disk is too slow");
      else if (!stream.destroyed) stream.write(`${line}\n`);
    },
    async [Symbol.asyncDispose]() {
      if (!stream.destroyed) await new Promise<void>((done) => stream.end(done));
    },
  };
}
