// The four corpora that packing and unpacking are measured on. Made from a seed: the same bytes on every machine.
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { quietCall } from "../src/base/index.ts";
import { presetSource } from "../src/pack/index.ts";
import { defaultCacheFolder } from "../src/volume/index.ts";

/** A small, fast generator (xorshift32): good enough to be incompressible, and the same everywhere. */
function generator(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function randomBytes(next: () => number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = next();
  return Buffer.from(words.buffer, 0, size);
}

const WORDS =
  "volume layer digest mount agent trace span metric log pod node image registry tag blob index config".split(
    " ",
  );

/** Text that compresses about as well as source code does. */
function text(next: () => number, size: number): Buffer {
  const parts: string[] = [];
  for (let length = 0; length < size; ) {
    const word = next() % 5 === 0 ? next().toString(36) : (WORDS[next() % WORDS.length] ?? "");
    const part = `${word}${next() % 9 === 0 ? "\n" : " "}`;
    parts.push(part);
    length += part.length;
  }
  return Buffer.from(parts.join("")).subarray(0, size);
}

const MiB = 1024 * 1024;

export const corpora: Readonly<Record<string, { what: string; make(folder: string): void | Promise<void> }>> =
  {
    a: {
      what: "one 1 GiB file of random bytes",
      make(folder) {
        const next = generator(1);
        const file = openSync(join(folder, "model.bin"), "w");
        for (let i = 0; i < 1024; i++) writeSync(file, randomBytes(next, MiB));
        closeSync(file);
      },
    },
    b: {
      what: "5,000 text files, 512 MiB",
      make(folder) {
        const next = generator(2);
        const sample = text(next, 16 * MiB);
        for (let i = 0; i < 5000; i++) {
          const at = next() % (sample.length - 110_000);
          const into = join(folder, `d${i % 50}`);
          mkdirSync(into, { recursive: true });
          writeFileSync(
            join(into, `f${i}.txt`),
            Buffer.concat([text(next, 4000), sample.subarray(at, at + 103_374)]),
          );
        }
      },
    },
    c: {
      what: "50,000 files of 1 to 4 KiB",
      make(folder) {
        const next = generator(3);
        for (let i = 0; i < 50_000; i++) {
          const into = join(folder, `d${i % 500}`);
          if (i < 500) mkdirSync(into);
          writeFileSync(join(into, `f${i}.txt`), text(next, 1024 + (next() % 3072)));
        }
      },
    },
    d: {
      what: "a real jar of 25 MB, the OpenTelemetry Java agent",
      async make(folder) {
        await using jar = await presetSource(
          "otel-java",
          undefined,
          { cache: defaultCacheFolder() },
          quietCall(),
        );
        for await (const entry of jar.tree(quietCall())) {
          if (entry.type !== "file") continue;
          const file = createWriteStream(join(folder, entry.path));
          for await (const chunk of entry.body.open(0, quietCall())) file.write(Buffer.from(chunk));
          await finished(file.end());
        }
      },
    },
  };

/** The folder that holds a corpus; made at the first use. */
export async function corpus(name: string, root: string): Promise<string> {
  const folder = join(root, name);
  if (existsSync(`${folder}.made`)) return folder;
  const how = corpora[name];
  if (how === undefined) throw new Error(`no corpus ${name}; there are ${Object.keys(corpora).join(", ")}`);
  mkdirSync(folder, { recursive: true });
  await how.make(folder);
  writeFileSync(`${folder}.made`, "");
  return folder;
}
