#!/usr/bin/env bash
# Two runs in other surroundings (zone, umask, locale, working folder, hash seed) give the same bytes:
# every format, from two files and from a store of Docker 1.9.1.
set -euo pipefail
export LC_ALL=C.UTF-8

[ -n "${CORPUS:-}" ] || exit 77
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
store=$work/docker-1.9.1-aufs
mkdir "$store" "$work/here" "$work/elsewhere"
tar --zstd --xattrs --xattrs-include='*' --numeric-owner -xpf "$CORPUS/stores/docker-1.9.1-aufs.tar.zst" -C "$store"
formats=$(python -c 'from toolkit.bundles import FORMATS; print(*(row.name for row in FORMATS))')
unset PYTHONPATH # what is installed, not what lies here

export_as() { # FORMAT SOURCE OUTPUT
    lading export ubuntu:14.04 --from "$2" -o "$3" --format "$1" --quiet >/dev/null
}

total=0
for source in "$CORPUS/bundles/docker-20.10.tar" "$CORPUS/bundles/docker-29-containerd.tar" "graph:$store"; do
    for format in $formats; do
        (
            cd "$work/here"
            umask 022
            export TZ=UTC PYTHONHASHSEED=1
            export_as "$format" "$source" first
        )
        (
            cd "$work/elsewhere"
            umask 077
            export TZ=Asia/Kolkata PYTHONHASHSEED=4242 SOURCE_DATE_EPOCH=1
            export LC_ALL=POSIX PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 # ASCII, the farthest of the locales everywhere
            export_as "$format" "$source" "$work/elsewhere/second"
        )
        diff -r "$work/here/first" "$work/elsewhere/second"
        sum=$(find "$work/here/first" -type f | sort | xargs cat | sha256sum)
        printf '%-26s %-12s %s\n' "$(basename "$source")" "$format" "${sum:0:16}"
        rm -r "$work/here/first" "$work/elsewhere/second"
        total=$((total + 1))
    done
done
[ "$total" = 18 ]
echo "$total bundles, each the same in other surroundings"
