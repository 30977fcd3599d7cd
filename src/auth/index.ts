export { Authenticator, type Purpose } from "./authenticator.ts";
export { credentialFiles } from "./credential-files.ts";
export { type Kept, keepCredentials, type User } from "./credential-keep.ts";
export {
  type Authorization,
  anonymous,
  type Credentials,
  type CredentialsProvider,
  withoutSecrets,
} from "./credentials.ts";
export { type CredentialOptions, dockerCredentials } from "./docker-credentials.ts";
export { type LoggedOut, logout } from "./logout.ts";
export { Refusal, rateHint, readRefusal, type Told } from "./refusal.ts";
export type { Asker } from "./token.ts";
export type { Verdict } from "./verdict.ts";
