import { printable } from "../base/index.ts";
import type { StoreCode, StoreError } from "../oci/index.ts";
import type { Challenge } from "./challenge.ts";
import { type Credentials, describeCredentials } from "./credentials.ts";

/** Why we are not let in, beside what the registry says of it. */
export interface Verdict {
  readonly code: StoreCode;
  readonly why: string;
  readonly hint: string;
  readonly cause?: unknown;
}

/** Who a refused request said that we are. */
export interface Shown {
  /** Undefined: nobody. */
  readonly as: Credentials | undefined;
  /** Whether anything was shown at all: nobody may have a token, too. */
  readonly sent: boolean;
  /** Whether that was shown to a token server, whose token the registry then refused. */
  readonly byToken: boolean;
  /** Why there are no credentials, where they could not be read. */
  readonly problem: StoreError | undefined;
}

/** What to do when a registry does not let us in. */
function loginHint(registry: string): string {
  return `run \`imgvol login ${registry} -u NAME --password-stdin\`, or check that the repository exists and is yours`;
}

/** Judges a 401 or 403 of a registry, after all that we had to offer was offered. */
export function verdictOf(
  status: number,
  challenges: readonly Challenge[],
  shown: Shown,
  registry: string,
): Verdict {
  const { as, problem } = shown;
  if (as === undefined && problem !== undefined) return becauseOf(problem, registry);
  if (!shown.sent && status === 401 && !challenges.some(isKnown)) return strange(challenges);
  if (as === undefined) return nobody(status === 403 ? "denied" : "credentials-missing", registry);
  const error = challenges.map((c) => c.parameters.get("error")).find((e) => e !== undefined);
  const insufficient = error === "insufficient_scope" || (shown.byToken && error !== "invalid_token");
  if (status === 403 || insufficient) return denied(as);
  if (as.kind === "password" && !shown.byToken) return wrong(as, registry);
  if (as.kind === "access-token") return expired(as, registry);
  return {
    code: "token-expired",
    why: `the token that its token server had just given for ${describe(as)} was refused as not valid, or not valid any more`,
    hint: "the registry and its token server have to agree on keys, service name and time; ask who runs them",
  };
}

/** Judges the status with which a token server refuses; undefined where it says nothing of who we are. */
export function tokenVerdict(
  status: number,
  oauthError: string | undefined,
  as: Credentials | undefined,
  registry: string,
): Verdict | undefined {
  if (as?.kind === "identity-token") {
    if (oauthError === "invalid_scope" || status === 403) return denied(as);
    return status === 400 || status === 401 ? expired(as, registry) : undefined;
  }
  if (status !== 401 && status !== 403) return undefined;
  if (as === undefined) return nobody("credentials-missing", registry);
  return status === 401 ? wrong(as, registry) : denied(as);
}

/** Broken credentials do not keep anybody from what is public; where that is not enough, they are the reason. */
function becauseOf(problem: StoreError, registry: string): Verdict {
  const hint = problem.hint ?? loginHint(registry);
  return { code: problem.code, why: problem.message, hint, cause: problem };
}

function isKnown({ scheme, parameters }: Challenge): boolean {
  return scheme === "basic" || (scheme === "bearer" && parameters.has("realm"));
}

function strange(challenges: readonly Challenge[]): Verdict {
  const schemes = [...new Set(challenges.map((c) => c.scheme))].slice(0, 4).join(", ");
  return {
    code: "unauthorized",
    why:
      schemes === ""
        ? "it does not say how to log in"
        : `it only knows ways of logging in that we do not: ${schemes}`,
    hint: "imgvol logs in by Basic, or by Bearer with a token server; check that this is a registry",
  };
}

function nobody(code: "denied" | "credentials-missing", registry: string): Verdict {
  return { code, why: `no credentials for ${registry} were found`, hint: loginHint(registry) };
}

function denied(as: Credentials): Verdict {
  return {
    code: "denied",
    why: `${describe(as)} was accepted, but does not give the right to this`,
    hint: "your account may not do this; ask the repository's owner, or log in as another user",
  };
}

function wrong(as: Credentials, registry: string): Verdict {
  return {
    code: "credentials-wrong",
    why: `${describe(as)} was refused`,
    hint: `run \`imgvol login ${registry} -u NAME --password-stdin\`; many registries want an access token in the place of the password`,
  };
}

function expired(as: Credentials, registry: string): Verdict {
  return {
    code: "token-expired",
    why: `${describe(as)} was refused: it has expired, or was revoked`,
    hint: `run \`imgvol login ${registry} -u NAME --password-stdin\` for a new one`,
  };
}

function describe(as: Credentials): string {
  return printable(describeCredentials(as));
}
