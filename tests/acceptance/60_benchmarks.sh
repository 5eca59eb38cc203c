#!/usr/bin/env bash
# The benchmarks, on smaller inputs and few runs: the ratios are printed, never judged here; memory is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python benchmarks/run.py --dir "$folder" --runs 1 --megabytes 120 | tee "$folder/table" || [ "${PIPESTATUS[0]}" = 1 ]
grep -q 'legacy graph -> bundle' "$folder/table"
awk -F'|' '/MiB/ { split($7, peak, " "); if (peak[1] + 0 > 128) { print "more than 128 MiB:", $0; bad = 1 } } END { exit bad }' "$folder/table"
