import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpRequest, type HttpResponse, serve } from "../../src/base/index.ts";

/** A server of files, and folders to fetch into: a Maven repository or an npm registry that does as it is told. */
export interface SourceServer extends AsyncDisposable {
  readonly url: string;
  /** Holds every home. */
  readonly folder: string;
  readonly files: Map<string, Uint8Array>;
  /** The requests since {@link fresh}. */
  readonly asked: HttpRequest[];
  /** Answers instead of `files`, where it answers. */
  answer: ((request: HttpRequest) => HttpResponse | undefined) | undefined;
  /** Forgets everything; gives a new home, and a cache in it that is not there yet. */
  fresh(): { readonly home: string; readonly cache: string };
}

export async function sourceServer(): Promise<SourceServer> {
  const folder = mkdtempSync(join(tmpdir(), "sources-"));
  let homes = 0;
  const handler = async (request: HttpRequest): Promise<HttpResponse> => {
    made.asked.push(request);
    const body = made.files.get(decodeURIComponent(request.path));
    return (
      made.answer?.(request) ?? (body ? { status: 200, headers: {}, body } : { status: 404, headers: {} })
    );
  };
  const listening = await serve(handler, { host: "127.0.0.1", port: 0 });
  const made: SourceServer = {
    url: listening.url,
    folder,
    files: new Map(),
    asked: [],
    answer: undefined,
    fresh() {
      made.files.clear();
      made.asked.length = 0;
      made.answer = undefined;
      const home = join(folder, `home-${homes++}`);
      mkdirSync(home);
      return { home, cache: join(home, "cache") };
    },
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
  return made;
}

/** The names of the files below a folder. */
export function everyFile(at: string): string[] {
  if (!existsSync(at)) return [];
  return readdirSync(at, { recursive: true, withFileTypes: true }).flatMap((e) =>
    e.isFile() ? [e.name] : [],
  );
}
