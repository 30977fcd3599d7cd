// Starts a cluster, and says each step, so that the test can kill it in the middle.
import { type NativeOptions, nativeUp } from "../../src/native/index.ts";

const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
const options: NativeOptions = JSON.parse(process.env["IMGVOL_TEST_UP"] ?? "{}");
const step = (): void => void process.send?.("step");
const task = { advance() {}, done() {}, failed() {} };
const progress = {
  start: () => {
    step();
    return task;
  },
  say: step,
};
await nativeUp(options, { signal: stop.signal, progress }).catch(() => {});
process.disconnect();
