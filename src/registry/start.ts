import { type Call, type Listening, type ServeOptions, serve } from "../base/index.ts";
import { errorAnswer, failureAnswer } from "./answer.ts";
import { folderBacking } from "./folder-backing.ts";
import { type RegistryOptions, registryHandler } from "./handler.ts";
import { memoryBacking } from "./memory-backing.ts";

export interface StartOptions
  extends RegistryOptions,
    Pick<ServeOptions, "host" | "port" | "allowHosts" | "flag" | "tls"> {
  /** The folder that holds the repositories; without one they live in memory. */
  readonly dir?: string;
}

/**
 * A registry that listens. Dispose lets requests on their way end, then closes what lies behind.
 *
 * @throws BaseError `port-in-use`, `listen-failed`; RegistryError `registry-locked`
 */
export async function startRegistry(options: StartOptions, call: Call): Promise<Listening> {
  call.signal.throwIfAborted();
  const backing = options.dir === undefined ? memoryBacking() : await folderBacking(options.dir);
  const registry = registryHandler(backing, options);
  const dispose = async (): Promise<void> => {
    await registry[Symbol.asyncDispose]();
    await backing[Symbol.asyncDispose]();
  };
  try {
    const server = await serve(registry.handle, {
      ...options,
      errorResponse: (_status, error) => errorAnswer(error) ?? failureAnswer(),
    });
    return {
      url: server.url,
      host: server.host,
      port: server.port,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
