#!/bin/sh
# Makes a folder that holds programs the root of a container: `sh root.sh FOLDER`, after the programs have been put into it.
# Adds the libraries of this machine that they need (at the paths where the loader looks for them), users, and /tmp.
# Nothing else of this machine gets in: no shell, no package manager.
set -eu
root=$(realpath "$1")

mkdir -p "$root/etc" "$root/tmp" "$root/app"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/:/sbin/nologin\napp:x:1000:1000:app:/tmp:/sbin/nologin\n' > "$root/etc/passwd"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"

found=$(mktemp)
trap 'rm -f "$found"' EXIT

# What ldd says of every program and library in the folder. It fails at scripts and static programs: those need nothing.
find "$root" -type f \( -perm -100 -o -name '*.so' -o -name '*.so.*' \) -exec ldd {} + > "$found" 2>/dev/null || true

# Some name libraries that lie beside them, which ldd does not find and they do.
sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' "$found" | sort -u | while read -r name; do
  if [ -z "$(find "$root" -name "$name" -print -quit)" ]; then
    echo "$1: the library $name is needed, and is not on this machine" >&2
    exit 1
  fi
done

copy() { # to the same path, with what a link leads to
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}
sed -n -e 's/.* => \(\/[^ ]*\) (.*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' "$found" | sort -u |
  while read -r library; do
    case $library in "$root"/*) continue ;; esac
    copy "$library"
    # The C library loads these by name while it runs: who somebody is, and where a host is.
    case $library in */libc.so.6)
      for name in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2 libgcc_s.so.1; do
        if [ -e "${library%/*}/$name" ]; then copy "${library%/*}/$name"; fi
      done ;;
    esac
  done
