import { type Call, type Finding, ImgvolError, isAbort } from "../base/index.ts";
import type { Descriptor } from "../oci/index.ts";

/** Mirrors that are passed over, as users hear of them: each once. */
export class PassedOver {
  readonly #origin: string;
  readonly #tell: ((finding: Finding) => void) | undefined;
  readonly #told = new Set<string>();
  readonly #wrong = new Set<string>();

  /** @param origin what was asked for. @param tell hears of mirrors that give wrong content */
  constructor(origin: string, tell: ((finding: Finding) => void) | undefined) {
    this.#origin = origin;
    this.#tell = tell;
  }

  /** After the mirror `registry` failed. @throws the error itself where no other host may do better */
  failed(registry: string, error: unknown, call: Call): void {
    if (call.signal.aborted || isAbort(error) || !(error instanceof ImgvolError)) throw error;
    if (error.code === "digest-mismatch" || error.code === "size-mismatch") {
      this.#gaveWrong(registry, error.message, call);
      return;
    }
    // That a mirror does not have all is its nature, and no reason to keep quiet when it is down later.
    const what = `${error.code === "not-found" ? "lacks" : "fails"} ${registry}`;
    if (this.#told.has(what)) return;
    this.#told.add(what);
    call.progress?.say(this.#sentence(registry, error.message));
  }

  /** What it gave was found to be wrong when all of it had come. */
  gave(registry: string, d: Descriptor, call: Call): void {
    this.#gaveWrong(registry, `what it gave for ${d.digest} is other content`, call);
  }

  /** More than a mirror that is down: somebody has to mend it. */
  #gaveWrong(registry: string, why: string, call: Call): void {
    if (this.#wrong.has(registry)) return;
    this.#wrong.add(registry);
    const message = this.#sentence(registry, why);
    if (this.#tell === undefined) call.progress?.say(message);
    else {
      const fix = [
        `have ${registry} fetch it anew, or take it out of hosts.toml: it is damaged or was changed`,
      ];
      this.#tell({ code: "mirror-wrong", severity: "warning", subject: registry, message, fix });
    }
  }

  #sentence(registry: string, why: string): string {
    return `${registry} is passed over for ${this.#origin}: ${why}`;
  }
}
