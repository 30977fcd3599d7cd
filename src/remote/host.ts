import { isIP } from "node:net";
import { type Asker, Authenticator, type Authorization, anonymous, type Purpose } from "../auth/index.ts";
import {
  BaseError,
  type Call,
  discard,
  errno,
  hostName,
  isLoopback,
  isPrivateAddress,
  isTemporary,
  type Network,
  processNetwork,
  type Response,
  request,
  requestFollowing,
} from "../base/index.ts";
import { type Endpoint, isPlain } from "../hosts/index.ts";
import { asUnreachable, refusal } from "./errors.ts";
import type { RemoteOptions } from "./options.ts";
import { HostPatience } from "./patience.ts";
import { RegistryWarnings } from "./warnings.ts";

/** One request to a registry. */
export interface Ask {
  readonly method: string;
  readonly url: URL;
  readonly purpose: Purpose;
  /** What it is about, for messages. */
  readonly what: string;
  /** The answers hoped for; any other is thrown as a {@link Refusal}. */
  readonly expect: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A streamed body is sent once: what follows a failure is the caller's affair. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** The registry may have to work long before it answers: it moves or hashes a large blob. */
  readonly patient?: boolean;
  /** Counts the failures of longer work that this is a part of. Default: its own. */
  readonly patience?: HostPatience;
}

const PATIENT = 5;
const IDLE_TIMEOUT = 60_000;

/** A registry: where it is, who we are to it, and how often we try. Its repositories share one. */
export class RemoteHost {
  /** As users write it: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  readonly url: URL;
  readonly endpoint: Endpoint;
  readonly options: RemoteOptions;
  readonly #authenticator: Authenticator;
  readonly #network: Network | undefined;
  readonly #warnings: RegistryWarnings | undefined;
  #peer: string | undefined;
  #met = false;
  #served = false;

  constructor(endpoint: Endpoint, options: RemoteOptions) {
    const { registry, own } = endpoint;
    this.registry = registry;
    this.endpoint = endpoint;
    this.options = options;
    this.url = new URL("/", endpoint.api);
    if (options.tell !== undefined) this.#warnings = new RegistryWarnings(registry, options.tell);
    this.#network = own === undefined ? options.network : (options.network ?? processNetwork()).knowing(own);
    const asker: Asker = {
      registry,
      url: this.url,
      headers: this.#common(),
      network: this.#network,
      idleTimeout: options.idleTimeout ?? IDLE_TIMEOUT,
      allowsPlain: (host) => isPlain(host, options.plainHttp ?? []),
      isPublic: () => this.#isPublic(),
    };
    this.#authenticator = new Authenticator(asker, options.credentials ?? anonymous);
  }

  /** Whether it has ever answered in HTTP. */
  get met(): boolean {
    return this.#met;
  }

  /** Where its user would say how it is reached. */
  get place(): string | undefined {
    const { hosts } = this.options;
    const registry = this.endpoint.mirrorOf ?? this.registry;
    return hosts?.place === undefined ? `~/.config/containers/certs.d/${registry}` : hosts.place(registry);
  }

  /** Whether it has ever given an answer to who we are that was no trouble of its own: it was there, and may be back soon. */
  get served(): boolean {
    return this.#served;
  }

  /**
   * Asks, authenticates where it must, follows redirects (but with a streamed body), and tries again where that may help.
   *
   * @throws StoreError `unauthorized`, `credentials-missing`, `credentials-wrong`, `credentials-unreadable`, `helper-failed`,
   *   `token-expired`, `realm-refused`, `denied`, `not-found`, `rate-limited`, `registry-error`, `registry-unreachable`;
   *   BaseError `redirect-refused`; what the body throws
   */
  async ask(ask: Ask, call: Call): Promise<Response> {
    const patience = ask.patience ?? new HostPatience(this);
    let garbled = false;
    for (;;) {
      try {
        return await this.once(ask, call);
      } catch (error) {
        if (isStream(ask.body)) throw error;
        // A registry that was there a moment ago may come back; where none ever answered, or not in HTTP, none is.
        const cause = error instanceof BaseError ? (errno(error.cause) ?? "") : "";
        const absent = !this.#met && (cause === "ECONNREFUSED" || (garbled && cause.startsWith("HPE_")));
        garbled ||= cause.startsWith("HPE_");
        if (absent) throw asUnreachable(error, this);
        await patience.afterFailure(error, call).catch((last: unknown) => {
          throw asUnreachable(last, this);
        });
      }
    }
  }

  /** As {@link ask}, but once; errors of the connection come as they are. */
  async once(ask: Ask, call: Call): Promise<Response> {
    const own = ask.url.origin === this.url.origin;
    const sent = own ? await this.#authenticator.before(ask.purpose, call) : undefined;
    const response = await this.#send(ask, sent, call);
    if (response.status === 401 && response.url.origin === this.url.origin) {
      const field = response.headers.get("www-authenticate") ?? "";
      const better = await this.#authenticator
        .after(field, ask.purpose, sent, call)
        .catch(async (error: unknown) => {
          // An answer that is not read keeps its connection, and with it the process.
          await discard(response);
          throw error;
        });
      if (better !== undefined) {
        if (isStream(ask.body)) {
          const verdict = this.#authenticator.judge(401, field, ask.purpose, sent);
          const known = { registry: this.registry, at: this, what: ask.what, sent, verdict };
          throw await refusal(response, { ...known, reauthorized: true });
        }
        await discard(response);
        return this.#expect(ask, await this.#send(ask, better, call), better);
      }
    }
    return this.#expect(ask, response, sent);
  }

  async #send(ask: Ask, authorization: Authorization | undefined, call: Call): Promise<Response> {
    const own = ask.url.origin === this.url.origin;
    const idle = this.options.idleTimeout ?? IDLE_TIMEOUT;
    const network = this.#network;
    const asked = {
      method: ask.method,
      url: ask.url,
      headers: {
        ...(own ? this.endpoint.headers : {}),
        ...this.#common(),
        ...ask.headers,
        ...(own && authorization !== undefined ? { authorization: authorization.header } : {}),
      },
      body: ask.body,
      idleTimeout: ask.patient ? idle * PATIENT : idle,
      publicOnly: !own && this.#isPublic(),
      ...(network === undefined ? {} : { network }),
    };
    const response = await (isStream(ask.body) ? request : requestFollowing)(asked, call);
    this.#met = true;
    // A 401 sends us to where tokens are, which may never have been there.
    this.#served ||= response.status !== 401 && !isTemporary(response.status);
    if (response.url.origin === this.url.origin) {
      this.#peer = response.peer;
      this.#warnings?.heard(response.headers);
    }
    return response;
  }

  async #expect(ask: Ask, response: Response, sent: Authorization | undefined): Promise<Response> {
    const { status, headers, url } = response;
    if (ask.expect.includes(status)) return response;
    const field = headers.get("www-authenticate") ?? "";
    const closed = (status === 401 || status === 403) && url.origin === this.url.origin;
    const verdict = closed ? this.#authenticator.judge(status, field, ask.purpose, sent) : undefined;
    throw await refusal(response, { registry: this.registry, at: this, what: ask.what, sent, verdict });
  }

  #common(): Record<string, string> {
    // A body that a proxy compressed on its way would not have the digest it is asked for by.
    return { "user-agent": this.options.userAgent ?? "imgvol", "accept-encoding": "identity" };
  }

  #isPublic(): boolean {
    const isPrivate = this.#network?.isPrivate ?? isPrivateAddress;
    const address = this.#peer ?? hostName(this.url.host) ?? "";
    return isIP(address) === 0 ? !isLoopback(address) : !isPrivate(address);
  }
}

function isStream(body: Ask["body"]): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
