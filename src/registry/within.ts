import { type Call, quietCall } from "../base/index.ts";
import type { Backing, Repository } from "./backing.ts";

/** A repository that may be there or not. */
interface Place {
  readonly backing: Backing;
  /** Has passed the grammar. */
  readonly name: string;
  readonly call: Call;
}

/**
 * Works in the repository, which is made where it is missing, and stays while `work` runs. Where it is empty after a failure,
 * it goes again.
 */
export async function within<T>(
  { backing, name, call }: Place,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  for (;;) {
    const repository = await backing.create(name, call);
    const stay = repository.gate.enter();
    // It was taken away before we were in it.
    if (stay === undefined) continue;
    try {
      return await work(repository);
    } catch (error) {
      stay[Symbol.dispose]();
      // What stays after all is for garbage collection; the client is told of its own failure.
      await backing.discard(repository, quietCall()).catch(() => false);
      throw error;
    } finally {
      stay[Symbol.dispose]();
    }
  }
}
