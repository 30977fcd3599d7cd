import { deflate } from "./deflate.ts";

const SAMPLE = 4 * 1024;
const SAMPLES = 4;
const TRIAL = 16 * 1024;

/**
 * Whether compressing a block would be wasted time. Two cheap looks must agree: the bytes of four samples are spread nearly
 * evenly, and a quick trial on 16 KiB saves less than 2 %. The first alone would be fooled by a repeating ramp of
 * all byte values, the second costs too much on text.
 */
export async function isIncompressible(block: Uint8Array): Promise<boolean> {
  return block.length >= TRIAL && isSpreadEvenly(block) && !(await isWorthIt(block));
}

/**
 * Chi-square against the uniform distribution with 255 degrees of freedom: random bytes give 255 ± 23,
 * text and machine code tens of thousands. Compressed formats with some structure lie between, and the trial decides.
 */
function isSpreadEvenly(block: Uint8Array): boolean {
  const counts = new Uint32Array(256);
  const stride = Math.floor((block.length - SAMPLE) / (SAMPLES - 1));
  for (let sample = 0; sample < SAMPLES; sample++) {
    const from = sample * stride;
    for (let i = from; i < from + SAMPLE; i++) {
      const byte = block[i] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  const expected = (SAMPLES * SAMPLE) / 256;
  let chiSquare = 0;
  for (const count of counts) chiSquare += (count - expected) ** 2 / expected;
  return chiSquare < 2000;
}

async function isWorthIt(block: Uint8Array): Promise<boolean> {
  const from = Math.floor((block.length - TRIAL) / 2);
  const trial = await deflate(block.subarray(from, from + TRIAL), 1);
  return trial.reduce((size, piece) => size + piece.length, 0) < TRIAL * 0.98;
}
