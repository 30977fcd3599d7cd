import type { HttpHandler, HttpRequest, HttpResponse } from "../base/index.ts";
import { type Backing, routeName } from "../registry/index.ts";
import { accessLine } from "./access-line.ts";
import { guarded } from "./guard.ts";
import type { Health } from "./health.ts";
import type { Logins } from "./logins.ts";
import type { Metrics } from "./metrics.ts";
import { isSite, site } from "./site.ts";
import { observed } from "./visit.ts";

/** What stands around a registry's own resources. */
export interface FrontOptions {
  /** The content that the pages show. */
  readonly backing: Backing;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Undefined where nobody needs a password. */
  readonly logins: Logins | undefined;
  readonly anonymousPull?: boolean | undefined;
  readonly accessLog?: ((line: string) => void) | undefined;
}

/** A registry as a server offers it: with its pages, measures and log, behind a password where there is one. */
export interface Front {
  readonly handle: HttpHandler;
  /** Sees what `handle` is not asked, too. */
  around(request: HttpRequest, next: HttpHandler): Promise<HttpResponse>;
}

export function registryFront(registry: HttpHandler, options: FrontOptions): Front {
  const { backing, health, metrics, logins, anonymousPull, accessLog } = options;
  const open: HttpHandler = async (request) => {
    if (request.path === "/metrics" && isRead(request)) return await metrics.handle(request);
    return isSite(request.path) && isRead(request) ? await site(request, backing) : await registry(request);
  };
  const inside = logins === undefined ? open : guarded(open, { logins, anonymousPull });
  return {
    // Who looks whether we are well, such as a kubelet, has no password.
    handle: async (request) =>
      request.path === "/healthz" && isRead(request) ? await health.handle(request) : await inside(request),
    around(request, next) {
      metrics.begin();
      return observed(request, next, (visit) => {
        metrics.end(wordFor(request.path), visit);
        accessLog?.(accessLine(visit));
      });
    },
  };
}

function isRead({ method }: HttpRequest): boolean {
  return method === "GET" || method === "HEAD";
}

function wordFor(path: string): string {
  if (path === "/metrics" || path === "/healthz") return path.slice(1);
  if (isSite(path)) return "site";
  return routeName(path) ?? "other";
}
