export { type ByteSource, CHUNK, collect, fromBytes, fromFile } from "./bytes.ts";
export { type Call, type Progress, quietCall, silent, type Task } from "./call.ts";
export { type BaseCode, BaseError, errno, ImgvolError, isAbort, messageOf } from "./errors.ts";
export { asDiskError, exists, replaceFile, syncFolder, temporaryFolder } from "./files.ts";
export type { HttpHandler, HttpRequest, HttpResponse } from "./http.ts";
export { lock, tryLock } from "./lock.ts";
export { formatBytes, printable } from "./text.ts";
