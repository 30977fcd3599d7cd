/** A registry that names hundreds of scopes would have us ask its token server with a URL of many kilobytes. */
const MOST_ASKED = 16;

/** The scopes of a challenge (`repository:a/b:pull,push registry:catalog:*`), as far as anybody has a use for them. */
export function scopesOf(parameter: string | undefined): string[] {
  return (parameter?.split(/\s+/) ?? []).filter((scope) => scope !== "").slice(0, MOST_ASKED);
}

/**
 * Whether a token for the scopes `have` serves where `wanted` are needed
 * (https://distribution.github.io/distribution/spec/auth/scope/): `repository:a:pull,push` also pulls.
 */
export function covers(have: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((scope) => {
    const { resource, actions } = split(scope);
    return have.some((other) => {
      const had = split(other);
      if (had.resource !== resource) return false;
      return actions.every((action) => had.actions.includes(action) || had.actions.includes("*"));
    });
  });
}

/** The actions follow the last colon: a repository's name may hold a registry's port. */
function split(scope: string): { resource: string; actions: readonly string[] } {
  const colon = scope.lastIndexOf(":");
  if (colon < 0) return { resource: scope, actions: [] };
  return { resource: scope.slice(0, colon), actions: scope.slice(colon + 1).split(",") };
}
