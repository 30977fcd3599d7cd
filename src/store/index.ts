export type { Incoming, Medium } from "./medium.ts";
export { verified } from "./verified.ts";
