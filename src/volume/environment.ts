/**
 * Names that change how the programs which make the view run themselves, or that a shell changes on its way: they are given to
 * the command at the last moment, through `env`.
 */
const LATE = new RegExp(
  `^(?:${[
    "LD_.*|DYLD_.*|GLIBC_.*|MALLOC_.*|LIBMOUNT_.*|GCONV_PATH|LOCPATH|NLSPATH|LC_ALL|POSIXLY_CORRECT|POSIX_ME_HARDER",
    "ENV|BASH_.*|BASHOPTS|SHELLOPTS|SHLVL|PS4|IFS|CDPATH|PATH|PWD|OLDPWD|_",
    // Shells' own variables: what they bring with them is lost, or is an error where it is no number.
    "OPTIND|OPTARG|OPTERR|PPID|E?UID|GROUPS|S?RANDOM|SECONDS|EPOCH.*|LINENO|DIRSTACK|FUNCNAME|HISTCMD|TMOUT",
  ].join("|")})$`,
);

/** What a shell passes on to its children. Others (`spring.profiles.active`) would be lost on the way. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Where util-linux and coreutils live, before the caller's own PATH. */
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Splits a command's environment into what is handed down through the making of the view, and the arguments of `env` that
 * complete it. Most values never are in an argument list, where other users could read them.
 */
export function splitEnvironment(
  wanted: Readonly<Record<string, string | undefined>>,
  own: Readonly<Record<string, string | undefined>> = process.env,
): { readonly early: Record<string, string>; readonly late: readonly string[] } {
  const path = own["PATH"];
  const early: Record<string, string> = {
    PATH: path === undefined || path === "" ? SYSTEM_PATH : `${SYSTEM_PATH}:${path}`,
    // Messages of the programs are read, so they must be in one language.
    LC_ALL: "C",
  };
  const unset = new Set(["PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"]);
  const set: string[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    if (value === undefined || name === "" || name.includes("=")) continue;
    if (LATE.test(name) || !SHELL_NAME.test(name)) {
      set.push(`${name}=${value}`);
      unset.delete(name);
    } else early[name] = value;
  }
  return { early, late: [...[...unset].flatMap((name) => ["-u", name]), "--", ...set] };
}
