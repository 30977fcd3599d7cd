import { readdir } from "node:fs/promises";
import type { HttpHandler } from "../base/index.ts";
import type { MirrorFigures } from "../mirror/index.ts";
import { mirrorMetrics } from "./mirror-metrics.ts";
import { Counter, EXPOSITION, exposition, Histogram, type Metric, type Sample } from "./prometheus.ts";
import type { Usage } from "./usage.ts";
import type { Visit } from "./visit.ts";

/** From a tag on a local disk to a layer of gigabytes over a slow line, in seconds. */
const DURATIONS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]);

const STARTED = Math.round(Date.now() - process.uptime() * 1000) / 1000;

/** What is measured elsewhere and asked for when somebody wants to know. */
export interface Gauges {
  readonly version: string;
  /** Uploads that were begun and have not ended. */
  uploads(): number;
  usage(): Promise<Usage>;
  /** Bytes that can still be stored, without the disk's reserve; infinite where nobody can tell. */
  room(): Promise<number>;
  /** Whether what is pushed now is taken, as far as the registry is concerned. */
  writable(): Promise<boolean>;
  /** Of a mirror. */
  mirror?: (() => MirrorFigures) | undefined;
}

/** What happened since the start. Nothing in it names a repository: names are for those who may pull, and have no bounds. */
export class Metrics {
  readonly #gauges: Gauges;
  readonly #requests = new Counter();
  readonly #durations = new Histogram(DURATIONS);
  readonly #broken = new Counter();
  #received = 0;
  #sent = 0;
  #underway = 0;

  constructor(gauges: Gauges) {
    this.#gauges = gauges;
  }

  begin(): void {
    this.#underway++;
  }

  /** @param route what was asked for, as a word of ours */
  end(route: string, visit: Visit): void {
    const method = METHODS.has(visit.method) ? visit.method : "other";
    const labels = { route, method, code: String(visit.status) };
    this.#underway--;
    this.#requests.add(labels);
    this.#durations.observe(labels, visit.seconds);
    if (visit.end !== "done") this.#broken.add({ route, end: visit.end });
    this.#received += visit.received;
    this.#sent += visit.sent;
  }

  /** GET /metrics. */
  readonly handle: HttpHandler = async () => ({
    status: 200,
    headers: { "content-type": EXPOSITION, "cache-control": "no-store" },
    body: Buffer.from(
      exposition([
        ...this.#traffic(),
        ...(await this.#stored()),
        ...this.#mirrored(),
        ...(await ofProcess(this.#gauges)),
      ]),
    ),
  });

  *#traffic(): Iterable<Metric> {
    yield {
      name: "imgvol_registry_requests_total",
      type: "counter",
      help: "Requests that were answered.",
      samples: this.#requests.samples(),
    };
    yield {
      name: "imgvol_registry_request_duration_seconds",
      type: "histogram",
      help: "From a request's headers to the end of its answer.",
      samples: this.#durations.samples(),
    };
    yield {
      name: "imgvol_registry_broken_answers_total",
      type: "counter",
      help: "Answers that did not reach their end: the client went away (aborted), or the content broke off (failed).",
      samples: this.#broken.samples(),
    };
    yield one(
      "imgvol_registry_received_bytes_total",
      "counter",
      "Bytes of requests' bodies.",
      this.#received,
    );
    yield one("imgvol_registry_sent_bytes_total", "counter", "Bytes of answers' bodies.", this.#sent);
    yield one("imgvol_registry_requests_in_flight", "gauge", "Requests on their way.", this.#underway);
    const uploads = this.#gauges.uploads();
    yield one(
      "imgvol_registry_uploads_in_progress",
      "gauge",
      "Uploads that were begun and have not ended.",
      uploads,
    );
  }

  #mirrored(): readonly Metric[] {
    const figures = this.#gauges.mirror?.();
    return figures === undefined ? [] : mirrorMetrics(figures);
  }

  async #stored(): Promise<readonly Metric[]> {
    const { repositories, blobs, bytes } = await this.#gauges.usage();
    const [room, writable] = [await this.#gauges.room(), await this.#gauges.writable()];
    const shared = "one that several repositories share once";
    return [
      one("imgvol_registry_repositories", "gauge", "Repositories, counted once a minute.", repositories),
      one("imgvol_registry_blobs", "gauge", `Blobs and manifests, ${shared}.`, blobs),
      one("imgvol_registry_blob_bytes", "gauge", "The bytes of these.", bytes),
      ...(Number.isFinite(room)
        ? [
            one(
              "imgvol_registry_free_bytes",
              "gauge",
              "Bytes that uploads can still take, without the reserve.",
              room,
            ),
          ]
        : []),
      one("imgvol_registry_writable", "gauge", "1 where pushes are taken now, else 0.", Number(writable)),
    ];
  }
}

/** By the names that Prometheus's own client libraries use. */
async function ofProcess({ version }: Gauges): Promise<readonly Metric[]> {
  const { user, system } = process.cpuUsage();
  const fds = await readdir("/proc/self/fd").catch(() => undefined);
  return [
    one("process_cpu_seconds_total", "counter", "Processor time of this process.", (user + system) / 1e6),
    one("process_resident_memory_bytes", "gauge", "Memory of this process.", process.memoryUsage.rss()),
    one("process_start_time_seconds", "gauge", "When it started, since the epoch.", STARTED),
    ...(fds === undefined ? [] : [one("process_open_fds", "gauge", "Open files and sockets.", fds.length)]),
    {
      name: "imgvol_build_info",
      type: "gauge",
      help: "Always 1: what this is.",
      samples: [{ labels: { version, node: process.versions.node }, value: 1 }],
    },
  ];
}

function one(name: string, type: "counter" | "gauge", help: string, value: number): Metric {
  const samples: readonly Sample[] = [{ value }];
  return { name, type, help, samples };
}
