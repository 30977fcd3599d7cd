export { type LoggedIn, type LoginOptions, login } from "./login.ts";
export { lacksBlob } from "./manifests.ts";
export type { RemoteOptions, RetryOptions } from "./options.ts";
export { openRemote } from "./remote.ts";
