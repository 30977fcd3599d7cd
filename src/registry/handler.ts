import { type Call, type HttpHandler, type HttpRequest, type HttpResponse, isAbort } from "../base/index.ts";
import { API_VERSION, errorAnswer, failureAnswer } from "./answer.ts";
import { repositoryName } from "./ask.ts";
import type { Backing } from "./backing.ts";
import type { Clock } from "./clock.ts";
import { RegistryError } from "./errors.ts";
import { collectGarbage } from "./gc.ts";
import type { GcOptions, GcReport } from "./gc-report.ts";
import type { Limits } from "./limits.ts";
import { ROUTES } from "./routes.ts";
import { Sessions } from "./sessions.ts";

export interface RegistryOptions {
  /** Refuse every request that would change something. */
  readonly readOnly?: boolean;
  /** What uploads may take. */
  readonly limits?: Limits;
  /** Take image manifests whose config or layers are not there, as a registry of some layers only does. */
  readonly sparse?: boolean;
  readonly clock?: Clock;
  /** Told of failures that are the server's own; clients see a 500 without the reason. */
  readonly onError?: (error: unknown, request: { readonly method: string; readonly path: string }) => void;
}

/** A registry, ready to be served; dispose leaves uploads on their way to the next server. The backing stays open. */
export interface RegistryHandler extends AsyncDisposable {
  readonly handle: HttpHandler;
  /** How many uploads are on their way. */
  readonly uploads: number;
  /** Takes away what nothing needs, while others work; one run at a time. */
  collect(options: GcOptions, call: Call): Promise<GcReport>;
}

/** Speaks the OCI distribution-spec 1.1 over `backing`. */
export function registryHandler(backing: Backing, options: RegistryOptions = {}): RegistryHandler {
  const sessions = new Sessions(backing, options.limits, options.clock);
  let collecting: Promise<unknown> = Promise.resolve();
  return {
    collect(how, call) {
      const next = collecting.then(() => collectGarbage(backing, sessions, how, call));
      collecting = next.catch(() => {});
      return next;
    },
    get uploads() {
      return sessions.size;
    },
    async handle(request) {
      try {
        return finish(request, await route(request, backing, sessions, options));
      } catch (error) {
        const answer = errorAnswer(error);
        const gone = request.signal.aborted || isAbort(error);
        if (answer === undefined && !gone) options.onError?.(error, request);
        return finish(request, answer ?? failureAnswer());
      }
    },
    [Symbol.asyncDispose]: () => sessions[Symbol.asyncDispose](),
  };
}

async function route(
  request: HttpRequest,
  backing: Backing,
  sessions: Sessions,
  { readOnly, sparse }: RegistryOptions,
): Promise<HttpResponse> {
  const path = decoded(request.path);
  const row = ROUTES.find((r) => r.path.test(path));
  if (row === undefined) throw new RegistryError("path-unknown", `a registry has no ${path.slice(0, 300)}`);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const resource = Object.hasOwn(row.methods, method) ? row.methods[method] : undefined;
  if (resource === undefined) {
    const allow = Object.keys(row.methods).flatMap((m) => (m === "GET" ? ["GET", "HEAD"] : [m]));
    throw new RegistryError("method-unsupported", `${method.slice(0, 20)} is not for ${path.slice(0, 300)}`, {
      headers: { allow: allow.join(", ") },
    });
  }
  if (readOnly && method !== "GET") throw new RegistryError("read-only", "this registry is read-only");
  const [, name, reference = ""] = row.path.exec(path) ?? [];
  return await resource({
    request,
    call: { signal: request.signal },
    backing,
    sessions,
    sparse: sparse ?? false,
    name: name === undefined ? "" : repositoryName(name),
    reference,
  });
}

/** The path without its percent-encoding: some clients encode a digest's colon. What it names is checked afterwards. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RegistryError("name-invalid", "the path is not well encoded");
  }
}

/** What was pushed is never shown as a page, whatever it looks like: it would be one of our own pages' origin. */
const NO_PAGE = { "x-content-type-options": "nosniff" } as const;

function finish(request: HttpRequest, answer: HttpResponse): HttpResponse {
  const headers = { ...API_VERSION, ...NO_PAGE, ...answer.headers };
  return request.method === "HEAD" ? { status: answer.status, headers } : { ...answer, headers };
}
