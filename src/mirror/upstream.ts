import { Refusal } from "../auth/index.ts";
import { type Call, hostName, ImgvolError, isAbort, messageOf, withoutUserinfo } from "../base/index.ts";
import { withoutMirrors } from "../hosts/index.ts";
import { isRepository, type Store, StoreError } from "../oci/index.ts";
import { RegistryError } from "../registry/index.ts";
import { openRemote, type RemoteOptions } from "../remote/index.ts";

/** A registry behind a mirror. */
export interface Upstream {
  /** As users write it: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  /** The first part of its repositories' names here: a colon cannot be in one. */
  readonly folder: string;
  open(repository: string): Store;
}

/**
 * The registries that `host[:port]` or `http[s]://host[:port]` name; what begins with `http://` is spoken to so.
 * @throws RegistryError `upstream-invalid`
 */
export function upstreamsOf(texts: readonly string[], remote: RemoteOptions): readonly Upstream[] {
  const parsed = texts.map((text) => {
    const [, scheme, registry = ""] = /^(?:(https?):\/\/)?([^/]+)\/?$/.exec(text) ?? [];
    const folder = registry
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "_")
      .replace(/^_+|_+$/g, "");
    if (hostName(registry) === undefined || !isRepository(folder)) {
      throw new RegistryError(
        "upstream-invalid",
        `not a registry to mirror: ${JSON.stringify(withoutUserinfo(text))}`,
        {
          hint: "write host or host:port, such as docker.io; who you are there, `imgvol login` keeps",
          wrongUse: true,
        },
      );
    }
    return { registry, folder, plain: scheme === "http" };
  });
  const folders = new Set(parsed.map(({ folder }) => folder));
  if (parsed.length === 0 || folders.size < parsed.length) {
    throw new RegistryError("upstream-invalid", "a mirror needs registries to mirror, each named once", {
      wrongUse: true,
    });
  }
  const { hosts } = remote;
  const options: RemoteOptions = {
    ...remote,
    // Whoever asks a mirror may go on to another host: it does not wait for an upstream that is started again.
    retry: { attempts: 5, ...remote.retry },
    ...(hosts === undefined ? {} : { hosts: withoutMirrors(hosts) }),
    plainHttp: [
      ...(remote.plainHttp ?? []),
      ...parsed.filter(({ plain }) => plain).map(({ registry }) => registry),
    ],
  };
  return parsed.map(({ registry, folder }) => ({
    registry,
    folder,
    open: (repository) => openRemote({ registry, repository }, options),
  }));
}

/** Whether an upstream cannot be asked now, and says nothing about whether we may have what we have. */
export function isOutOfReach(error: unknown): boolean {
  return error instanceof RegistryError && ["upstream-failed", "upstream-limited"].includes(error.code);
}

/** An error of an upstream as our clients are told it; that something is not there stays as it is. */
export function asUpstreamError(error: unknown): unknown {
  if (!(error instanceof ImgvolError) || error instanceof RegistryError || isAbort(error)) return error;
  if (error instanceof StoreError && error.code === "not-found") return error;
  const more = { ...(error.hint === undefined ? {} : { hint: error.hint }), cause: error };
  const wait = error instanceof Refusal ? error.retryAfter : undefined;
  if (error.code === "rate-limited") {
    const headers = { "retry-after": String(Math.ceil((wait ?? 60_000) / 1000)) };
    return new RegistryError("upstream-limited", error.message, { ...more, headers });
  }
  const refused = error instanceof Refusal && (error.status === 401 || error.status === 403);
  if (!refused && !DENIED.has(error.code)) return new RegistryError("upstream-failed", error.message, more);
  // Whose password it was, and where it lies, is not for clients.
  return new RegistryError("upstream-denied", "the upstream does not give this mirror what was asked for", {
    hint: "whoever runs the mirror was told why",
    cause: error,
  });
}

/** {@link asUpstreamError}; and what clients are not told, the mirror's operator is. */
export function explained(cause: unknown, name: string, { progress }: Call): unknown {
  const error = asUpstreamError(cause);
  const isNew = error !== cause && error instanceof RegistryError;
  if (isNew && error.code === "upstream-denied") progress?.say(`${name}: ${whyOf(error)}`);
  return error;
}

/** Why an upstream did not give what was asked for, to the mirror's operator. */
export function whyOf(error: unknown): string {
  const denied = error instanceof RegistryError && error.code === "upstream-denied";
  return messageOf(denied ? error.cause : error);
}

const DENIED: ReadonlySet<string> = new Set([
  "unauthorized",
  "denied",
  "credentials-missing",
  "credentials-unreadable",
  "credentials-wrong",
  "helper-failed",
  "token-expired",
]);
