export { isPrivateAddress } from "./address.ts";
export { type ByteSource, collect, fromBytes, fromFile } from "./bytes.ts";
export { type Call, type Progress, quietCall, silent, type Task, type Unit } from "./call.ts";
export { CHUNK } from "./chunk.ts";
export { type BaseCode, BaseError, errno, ImgvolError, isAbort, messageOf } from "./errors.ts";
export {
  asDiskError,
  asFolderError,
  exists,
  replaceFile,
  temporaryFolder,
} from "./files.ts";
export type { Finding } from "./finding.ts";
export type { HttpHandler, HttpRequest, HttpResponse } from "./http.ts";
export { type ListenOptions, listen } from "./listen.ts";
export { lock, lockInPlace, markOf, passingLock, tryLock } from "./lock.ts";
export { makeFolder, syncFolder } from "./make-folder.ts";
export { Network, type NetworkOptions, type OriginOptions, processNetwork } from "./network.ts";
export { ICON, PALETTE, pageFile, pageHeaders } from "./page.ts";
export {
  isAway,
  isTemporary,
  isTemporaryFailure,
  Patience,
  type Pause,
  type RetryOptions,
  retryAfter,
} from "./patience.ts";
export { findProgram, isProgram, type Ran, type RunOptions, runProgram } from "./program.ts";
export type { Environment } from "./proxy.ts";
export { requestFollowing } from "./redirect.ts";
export { release } from "./release.ts";
export { removeTree } from "./remove-tree.ts";
export { discard, type RequestOptions, type Response, request } from "./request.ts";
export { ResourceStack } from "./resource-stack.ts";
export { hostName, isLoopback } from "./same-origin.ts";
export { type Listening, type Serving, serve } from "./serve.ts";
export type { ServeOptions } from "./serve-options.ts";
export { formatBytes, formatCount, printable, printableTo, shellWord, withoutUserinfo } from "./text.ts";
export { answeredInPlain, answeredInTls, type TlsProblem, tlsProblem } from "./tls-failure.ts";
export { readTls, type TlsFiles, type TlsPair } from "./tls-files.ts";
export { Turns } from "./turns.ts";
export { unlessAborted } from "./unless-aborted.ts";
export { fingerprint, watchFiles } from "./watch-files.ts";
export { sweep, type WorkPlace, workFolder } from "./work-folder.ts";
