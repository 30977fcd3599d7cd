export { openArchive } from "./archive.ts";
export { archiveCorner } from "./archive-changes.ts";
export { anonymous, type Credentials, type CredentialsProvider } from "./auth-credentials.ts";
export {
  type LoggedIn,
  type LoggedOut,
  type LoginOptions,
  login,
  logout,
  type User,
} from "./auth-login.ts";
export { type CopyOptions, type CopyResult, copy } from "./copy.ts";
export { CopyError } from "./copy-sides.ts";
export { credentialFiles } from "./credential-files.ts";
export { type CredentialOptions, dockerCredentials } from "./credentials.ts";
export { configuredHosts, hostsFolders, withoutMirrors } from "./hosts.ts";
export { type Endpoint, type HostCapability, type HostsProvider, isHub } from "./hosts-endpoint.ts";
export { openLayout } from "./layout.ts";
export { sweepLayout } from "./layout-writers.ts";
export type { Incoming, Medium } from "./medium.ts";
export { memoryMedium, memoryStore } from "./memory.ts";
export { type OpenOptions, openStore } from "./open.ts";
export {
  type ResolvedManifest,
  readConfig,
  readManifest,
  resolveManifest,
} from "./read-manifest.ts";
export { readSmall } from "./read-small.ts";
export { openRemote } from "./remote.ts";
export { Refusal } from "./remote-errors.ts";
export type { RemoteOptions, RetryOptions } from "./remote-options.ts";
export { readUnverified, verified } from "./verified.ts";
export { wantedIn } from "./wanted.ts";
