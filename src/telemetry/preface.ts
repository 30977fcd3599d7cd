import type { Socket } from "node:net";
import { RpcCode, rpcStatus } from "./rpc-status.ts";

/** What every HTTP/2 connection begins with (RFC 9113, section 3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** How long a connection may stay silent before its first bytes, and how long a refused one may still send, in ms. */
const PATIENCE = 20_000;
const LINGER = 2000;

/** Whether a connection begins as HTTP/2 does. Its bytes are put back for whoever reads it next. */
export async function isHttp2(socket: Socket): Promise<boolean> {
  const timer = setTimeout(() => socket.destroy(), PATIENCE);
  try {
    let first: Buffer = Buffer.alloc(0);
    for (;;) {
      const more = await nextBytes(socket);
      first = Buffer.concat([first, more]);
      const seen = Math.min(first.length, PREFACE.length);
      const same = first.subarray(0, seen).equals(PREFACE.subarray(0, seen));
      if (same && seen < PREFACE.length) continue;
      socket.unshift(first);
      return same;
    }
  } finally {
    clearTimeout(timer);
  }
}

function nextBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const onReadable = (): void => {
      const bytes: unknown = socket.read();
      if (!(bytes instanceof Buffer)) return;
      done();
      resolve(bytes);
    };
    const onEnd = (): void => {
      done();
      reject(new Error("the connection ended before it said what it speaks"));
    };
    const done = (): void => {
      socket.off("readable", onReadable);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
    };
    socket.on("readable", onReadable);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
  });
}

/** A host's name or address in a request's Host, without the port; nothing that could break out of the hint. */
const HOST = /^host:[ \t]*([\w.-]+|\[[\da-f:.]+\])(?::\d+)?[ \t]*\r?$/im;

/**
 * Answers an HTTP/1 request with 400 and the hint, in the encoding that its sender understands, and ends.
 *
 * @param hintFor is told by which name the sender came, where it says so
 */
export function refuseHttp1(socket: Socket, hintFor: (host: string | undefined) => string): void {
  const head: unknown = socket.read();
  const text = head instanceof Buffer ? head.toString("latin1") : "";
  const hint = hintFor(HOST.exec(text.split("\r\n\r\n", 1)[0] ?? "")?.[1]);
  const type = /^content-type:[ \t]*(application\/(?:x-protobuf|json))/im.exec(text)?.[1]?.toLowerCase();
  const body =
    type === undefined
      ? Buffer.from(`${hint}\n`)
      : rpcStatus(RpcCode.invalidArgument, hint, type === "application/json" ? "json" : "protobuf");
  // What is still on its way is read and thrown away: closing over it would reset the connection and lose our answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.on("close", () => clearTimeout(timer));
  if (!/^[A-Z]+ \S+ HTTP\/1/.test(text)) {
    socket.destroy();
    return;
  }
  socket.write(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: ${type ?? "text/plain; charset=utf-8"}\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n`,
  );
  socket.end(body);
}
