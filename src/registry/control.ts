import { chmod, rm, symlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import {
  type Call,
  errno,
  ImgvolError,
  makeFolder,
  messageOf,
  silent,
  temporaryFolder,
} from "../base/index.ts";
import { isObject } from "../oci/index.ts";
import { RegistryError } from "./errors.ts";
import type { GcOptions, GcReport } from "./gc-report.ts";

/** What fits into an address of a Unix socket: 104 bytes on macOS, 108 on Linux. */
const PATH_LIMIT = 100;
const LINE_LIMIT = 64 * 1024;

/**
 * Lets the server of a registry's folder be asked, by whoever is its user on this machine: a Unix socket in a private folder
 * there. A request is a line of JSON and so is its answer; who hangs up has changed their mind. Only for the holder of the
 * folder's lock.
 */
export async function serveControl(
  dir: string,
  collect: (options: GcOptions, call: Call) => Promise<GcReport>,
  say: (sentence: string) => void = () => {},
): Promise<AsyncDisposable> {
  const path = socketIn(dir);
  const underway = new Map<Socket, Promise<void>>();
  const server = createServer((socket) => {
    const answered = answer(socket, collect).finally(() => underway.delete(socket));
    underway.set(socket, answered);
  });
  try {
    await makeFolder(dirname(path), 0o700);
    // A killed server left it: nobody else has the folder's lock.
    await rm(path, { force: true });
    await reachable(path, (short) => listening(server, short));
    await chmod(path, 0o600);
  } catch (error) {
    // Some file systems have no sockets: the registry can be served all the same.
    say(`imgvol registry gc cannot reach this server, it must be ended first: ${messageOf(error)}`);
  }
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      for (const socket of underway.keys()) socket.destroy();
      await Promise.allSettled(underway.values());
      await closed;
      await rm(path, { force: true });
    },
  };
}

/** Has the server of a folder collect garbage; undefined where none listens. @throws RegistryError `gc-failed` */
export async function askControl(dir: string, options: GcOptions, call: Call): Promise<GcReport | undefined> {
  const socket = await reachable(socketIn(dir), connected);
  if (socket === undefined) return undefined;
  const hangUp = (): void => void socket.destroy();
  call.signal.addEventListener("abort", hangUp, { once: true });
  try {
    call.signal.throwIfAborted();
    socket.write(`${JSON.stringify({ gc: options })}\n`);
    const line = await lineOf(socket, Number.POSITIVE_INFINITY);
    call.signal.throwIfAborted();
    return reportIn(line);
  } finally {
    call.signal.removeEventListener("abort", hangUp);
    socket.destroy();
  }
}

async function answer(
  socket: Socket,
  collect: (options: GcOptions, call: Call) => Promise<GcReport>,
): Promise<void> {
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  socket.on("error", () => {});
  try {
    const options = optionsIn(await lineOf(socket, LINE_LIMIT));
    // Only who reads is told that the other has gone.
    socket.resume();
    const report = await collect(options, { signal: gone.signal, progress: silent });
    socket.end(`${JSON.stringify({ report })}\n`);
  } catch (error) {
    const hint = error instanceof ImgvolError ? error.hint : undefined;
    socket.end(`${JSON.stringify({ error: { message: messageOf(error), hint } })}\n`);
  }
}

function optionsIn(line: string): GcOptions {
  const request: unknown = JSON.parse(line);
  const asked = isObject(request) ? request["gc"] : undefined;
  if (!isObject(asked)) throw new RegistryError("gc-failed", "the server can only be asked for gc");
  const { untagged, grace, dryRun } = asked;
  return {
    ...(typeof grace === "number" && grace >= 0 ? { grace } : {}),
    untagged: untagged === true,
    dryRun: dryRun === true,
  };
}

function reportIn(line: string): GcReport {
  const answered = line === "" ? undefined : JSON.parse(line);
  if (answered?.report !== undefined) return answered.report;
  const { message = "it ended before it was done", hint } = answered?.error ?? {};
  throw new RegistryError(
    "gc-failed",
    `the registry that serves the folder: ${message}`,
    hint ? { hint } : {},
  );
}

/** What comes before a line feed, or the end. */
async function lineOf(socket: Socket, limit: number): Promise<string> {
  let text = "";
  socket.setEncoding("utf8");
  try {
    for await (const part of socket.iterator({ destroyOnReturn: false })) {
      text += part;
      if (text.includes("\n")) break;
      if (text.length > limit) throw new RegistryError("gc-failed", "the request is too long");
    }
  } catch (error) {
    // A server that is killed resets the connection.
    if (errno(error) === undefined) throw error;
    return "";
  }
  return text.split("\n")[0] ?? "";
}

function socketIn(dir: string): string {
  return join(resolve(dir), "_control", "socket");
}

/** A path may be longer than an address can be: then it is reached through a short link, for as long as it takes. */
async function reachable<T>(path: string, work: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= PATH_LIMIT) return await work(path);
  await using folder = await temporaryFolder(tmpdir(), "imgvol-");
  await symlink(dirname(path), join(folder.path, "d"));
  return await work(join(folder.path, "d", basename(path)));
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen({ path }, () => {
      server.off("error", failed);
      done();
    });
  });
}

/** Undefined where nobody listens. */
async function connected(path: string): Promise<Socket | undefined> {
  return await new Promise((done, failed) => {
    const socket = connect({ path });
    socket.once("error", (error) => {
      // Reset: it was killed while we waited for it to take us.
      if (["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes(errno(error) ?? "")) done(undefined);
      else failed(error);
    });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      done(socket);
    });
  });
}
