#!/usr/bin/env bash
# The benchmarks, on smaller inputs and few runs: the ratios are printed, never judged here; memory is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python benchmarks/run.py --dir "$folder" --runs 1 --megabytes 60 | tee "$folder/table" || [ "${PIPESTATUS[0]}" = 1 ]
awk -F'|' '
    /MiB/ { rows++; if ($8 + 0 > 128) { print "more than 128 MiB:", $0; bad = 1 } }
    END { if (rows != 21 && rows != 18 && rows != 12) { print "measured", rows + 0, "rows, expected 21, or 18 without docker, or 12 with no registry either: a command failed"; bad = 1 } exit bad }
' "$folder/table"
