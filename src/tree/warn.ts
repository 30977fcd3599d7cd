import { printable } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";

/** Hears what a source's reader left out, changed, or thinks its owner should look at. May hear the same twice. */
export type Tell = (finding: Finding) => void;

type Warning = "secret" | "case-collision" | "name-not-nfc" | "skipped" | "mode-dropped" | "xattr-dropped";

const ABOUT: Readonly<Record<Warning, { severity: "warning" | "note"; says: string; fix: string }>> = {
  secret: {
    severity: "warning",
    says: "looks secret",
    fix: "leave it out with an ignore file, unless everyone who can pull the image may read it",
  },
  "case-collision": {
    severity: "warning",
    says: "differs from another name only in case",
    fix: "rename one: on a file system that ignores case, one would hide the other",
  },
  "name-not-nfc": {
    severity: "warning",
    says: "has a name that is not in Unicode's composed form (NFC)",
    fix: "rename it, or be sure that readers use the same bytes",
  },
  skipped: {
    severity: "warning",
    says: "is left out",
    fix: "ignore it, if it is not wanted: a volume image holds files, folders and links",
  },
  "mode-dropped": {
    severity: "note",
    says: "loses its setuid, setgid or sticky bit",
    fix: "keep it with --keep-modes",
  },
  "xattr-dropped": {
    severity: "note",
    says: "loses its extended attributes",
    fix: "do not rely on them: volume images made by imgvol carry none",
  },
};

/** The names of an archive's extended attributes alone may be a megabyte an entry; findings are kept and shown. */
const LONGEST_REASON = 200;

/** A finding about one path of a source; `because` goes behind the sentence, in brackets. */
export function warning(code: Warning, path: string, because?: string): Finding {
  const { severity, says, fix } = ABOUT[code];
  const subject = printable(path);
  const short =
    because !== undefined && because.length > LONGEST_REASON
      ? `${because.slice(0, LONGEST_REASON)}…`
      : because;
  const message = `${subject} ${says}${short === undefined ? "" : ` (${printable(short)})`}`;
  return { code, severity, subject, message, fix: [fix] };
}

/** Why a volume cannot hold an entry of this name, or undefined: layers say with such names that something is gone. */
export function unholdable(name: string): string | undefined {
  return name.startsWith(".wh.") ? "its name is that of a whiteout, which hides files" : undefined;
}

const SECRET_NAMES: ReadonlySet<string> = new Set(
  ".npmrc .netrc .pypirc .pgpass .my.cnf .git-credentials .dockercfg .dockerconfigjson .htpasswd .envrc".split(
    " ",
  ),
);
const SECRET_PATHS = /(?:^|\/)(?:\.docker\/config\.json|\.aws\/credentials|\.kube\/config)$/;
const SECRET_ENDINGS = /\.(?:pem|key|p12|pfx|kdbx|ppk)$/i;
const ENV = /^\.env(?:\.(?!example$|sample$|template$|dist$).+)?$/;
const SSH_KEY = /^id_[a-z0-9_]+$/;

/** Why a name looks secret, or undefined. */
export function looksSecret(path: string, name: string, folder: boolean): string | undefined {
  if (folder) return name === ".git" || name === ".ssh" || name === ".gnupg" ? `a ${name} folder` : undefined;
  if (ENV.test(name)) return "environment variables";
  if (SECRET_NAMES.has(name) || SECRET_PATHS.test(path)) return "credentials";
  if (SSH_KEY.test(name) || SECRET_ENDINGS.test(name)) return "a key or certificate";
  return undefined;
}

/** Watches names for those that are one name on other file systems. It remembers them all: one a folder will do. */
export class NameWatch {
  readonly #seen = new Set<string>();
  readonly #tell: Tell;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  see(path: string, name: string): void {
    const composed = name.normalize("NFC");
    if (composed !== name) this.#tell(warning("name-not-nfc", path));
    const folded = path.slice(0, path.length - name.length) + composed.toLowerCase();
    if (this.#seen.has(folded)) this.#tell(warning("case-collision", path));
    this.#seen.add(folded);
  }
}
