export type { Finding } from "../base/index.ts";
