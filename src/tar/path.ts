/**
 * A path as archives spell it, made relative to the root: `./a//b/` is `a/b`, the root itself is "". A leading `/`
 * is dropped, as runtimes do.
 * @returns undefined for what may lead out of the root (a `..`), or has a zero byte
 */
export function cleanPath(raw: string): string | undefined {
  if (raw.includes("\0")) return undefined;
  const names = raw.split("/").filter((name) => name !== "" && name !== ".");
  return names.includes("..") ? undefined : names.join("/");
}
