/**
 * Makes a private view of the machine, inside a mount namespace of its own, then becomes the rest of its arguments.
 * Its arguments are steps (see `Step` in `view-plan.ts`) up to the word `run`; no value is ever part of the text.
 *
 * `--no-canonicalize` and `./NAME` reach an entry through the shell's working folder, which still is the folder below the
 * file system that was just mounted over it. An entry may vanish in between; that is no failure.
 */
export const VIEW_SCRIPT: string = `set -eu
show_entry() {
  mount --no-canonicalize --rbind "./$1" "$2" || [ ! -e "./$1" ]
}
show_entries() {
  for entry in * .[!.]* ..?*; do
    if [ -L "$entry" ]; then cp -P -- "$entry" "$1/$entry"
    elif [ -d "$entry" ]; then mkdir -- "$1/$entry"; show_entry "$entry" "$1/$entry"
    elif [ -e "$entry" ]; then : >"$1/$entry"; show_entry "$entry" "$1/$entry"
    fi
  done
}
replace() {
  cd "$1"
  mount -t tmpfs -o "mode=$2,size=$3,nosuid,nodev" imgvol "$1"
  show_entries "$1"
  cd /
}
while :; do
  step=$1; shift
  case $step in
    root)
      cd /
      mount -t tmpfs -o mode=0755,size=4m,nosuid,nodev imgvol "$1"
      mount --make-unbindable "$1"
      show_entries "$1"
      mkdir "$1/.imgvol-old-root"
      cd "$1"
      pivot_root . .imgvol-old-root
      cd /
      umount -l .imgvol-old-root
      rmdir .imgvol-old-root
      mount --make-private /
      shift ;;
    parent) replace "$1" "$2" 4m; shift 2 ;;
    private) replace "$1" 1777 50%; shift ;;
    fresh) mkdir "$1"; shift ;;
    folder) mkdir -p "$1"; shift ;;
    seal) mount -o remount,bind,ro,nosuid,nodev "$1"; shift ;;
    bind)
      mount --bind "$1" "$2"
      mount -o remount,bind,ro,nosuid,nodev "$2"
      shift 2 ;;
    run) break ;;
  esac
done
exec "$@"
`;

/**
 * The last stage: the parent still lives (PID as $1), the working folder ($2) can be entered, the command's own stderr comes
 * back from descriptor 3. Then it becomes the command. The byte on the old stderr says that all went well.
 */
export const ENTER_SCRIPT: string = `[ "$PPID" = "$1" ] || exit 125
cd "$2" || exit 125
shift 2
exec 4>&2 2>&3 3>&-
printf '\\001' >&4
exec 4>&-
exec "$@"
`;
