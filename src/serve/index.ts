export { type HtpasswdFile, openHtpasswd } from "./htpasswd.ts";
export { htpasswdLine } from "./htpasswd-line.ts";
export { type StartOptions, startRegistry } from "./start.ts";
