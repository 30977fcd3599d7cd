import {
  type Call,
  type HttpRequest,
  messageOf,
  ResourceStack,
  type ServeOptions,
  serve,
} from "../base/index.ts";
import { tokenAccess } from "./access.ts";
import { dashboardApi } from "./api.ts";
import { fromFetch } from "./fetch-handler.ts";
import { startGrpcReceiver } from "./grpc-receiver.ts";
import { otlpHandler } from "./http-receiver.ts";
import { pageHandler, withoutToken } from "./page.ts";
import { openStorage, type Storage } from "./storage.ts";

export interface DashboardOptions {
  /** The address that all three ports listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 4317. Of this and the next two, 0 takes any free one. */
  readonly otlpGrpcPort?: number | undefined;
  /** Default 4318. */
  readonly otlpHttpPort?: number | undefined;
  /** Default 18888. */
  readonly uiPort?: number | undefined;
  /** The file that keeps the telemetry; without it, it is gone at the end. */
  readonly db?: string | undefined;
  /** The largest size of the database in bytes, beyond which the oldest records go. Default 1 GiB without `db`, none with it. */
  readonly maxBytes?: number | undefined;
  /** What lets in to the page and its API. Default: a new random one. */
  readonly token?: string | undefined;
  /** Names beside the loopback ones and `host` by which browsers and senders may call this machine. */
  readonly allowHosts?: readonly string[] | undefined;
}

/** What an OpenTelemetry SDK is to be told; the two belong together. */
export interface OtlpEndpoint {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  /** For `OTEL_EXPORTER_OTLP_PROTOCOL`. */
  readonly protocol: "grpc" | "http/protobuf";
}

/** A dashboard that is up. Dispose: stops receiving, stores what was received, closes the page's connections. */
export interface Dashboard extends AsyncDisposable {
  /** The page, with the token: for a person's browser. */
  readonly url: string;
  /** The page and API without it: `${origin}/api/services`, with the token as a bearer token. */
  readonly origin: string;
  readonly token: string;
  readonly otlpGrpc: OtlpEndpoint;
  readonly otlpHttp: OtlpEndpoint;
  /** Everything that can be asked. */
  readonly storage: Storage;
}

/**
 * Receives OTLP, keeps it, and shows it.
 *
 * @throws BaseError `port-in-use`, `listen-failed`; TelemetryError `database-invalid`, `database-locked`
 */
export async function startDashboard(options: DashboardOptions, call: Call): Promise<Dashboard> {
  const open = new ResourceStack();
  const keep = <T extends AsyncDisposable>(resource: T): T => {
    open.keep(resource);
    call.signal.throwIfAborted();
    return resource;
  };
  try {
    const started = await start(options, call, keep);
    return { ...started, [Symbol.asyncDispose]: () => open[Symbol.asyncDispose]() };
  } catch (error) {
    await open[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(
  options: DashboardOptions,
  call: Call,
  keep: <T extends AsyncDisposable>(resource: T) => T,
): Promise<Omit<Dashboard, typeof Symbol.asyncDispose>> {
  const host = options.host ?? "127.0.0.1";
  const settings = (port: number, flag: string): ServeOptions => ({
    host,
    port,
    flag,
    allowHosts: options.allowHosts ?? [],
    onError: (error, { path }: Pick<HttpRequest, "path">) =>
      call.progress?.say(`${path}: ${messageOf(error)}`),
  });
  const storage = keep(await openStorage({ db: options.db, maxBytes: options.maxBytes }));
  const http = keep(
    await serve(otlpHandler(storage), settings(options.otlpHttpPort ?? 4318, "--otlp-http-port")),
  );
  const grpc = keep(
    await startGrpcReceiver(storage, {
      host,
      port: options.otlpGrpcPort ?? 4317,
      flag: "--otlp-grpc-port",
      hint: (asked) =>
        `this port speaks OTLP/gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or send OTLP/HTTP to ${under(http.url, asked)}`,
    }),
  );
  const grpcUrl = new URL(http.url);
  grpcUrl.port = String(grpc.port);

  const uiPort = options.uiPort ?? 18_888;
  const ended = new AbortController();
  const endpoints = { grpc: grpcUrl.origin, http: http.url };
  const api = fromFetch(dashboardApi(storage, endpoints, ended.signal).fetch);
  const access = tokenAccess(options.token);
  const page = keep(await serve(access.guard(pageHandler(api), withoutToken), settings(uiPort, "--ui-port")));
  // The last to be kept is the first to end: pages that wait for news must not hold up the rest.
  keep({ [Symbol.asyncDispose]: async () => ended.abort() });
  return {
    url: `${page.url}${access.path}`,
    origin: page.url,
    token: access.token,
    otlpGrpc: { endpoint: endpoints.grpc, protocol: "grpc" },
    otlpHttp: { endpoint: endpoints.http, protocol: "http/protobuf" },
    storage,
  };
}

/** A URL of ours, by the name under which somebody reaches us: to a pod, loopback is the pod itself. */
function under(url: string, host: string | undefined): string {
  const seen = new URL(url);
  if (host !== undefined) seen.hostname = host;
  return seen.origin;
}
