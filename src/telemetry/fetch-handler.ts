import type { HttpHandler } from "../base/index.ts";

/** A handler of ours from one in the words of fetch, as hono's are. */
export function fromFetch(answer: (request: Request) => Response | Promise<Response>): HttpHandler {
  return async (request) => {
    const query = request.query.size === 0 ? "" : `?${request.query}`;
    // The host was checked before; the API neither reads it nor takes bodies.
    const url = `http://localhost${request.path}${query}`;
    const { status, headers, body } = await answer(
      new Request(url, {
        method: request.method,
        headers: [...request.headers].filter(([name]) => !name.startsWith(":")),
        signal: request.signal,
      }),
    );
    return { status, headers: Object.fromEntries(headers), ...(body === null ? {} : { body }) };
  };
}
