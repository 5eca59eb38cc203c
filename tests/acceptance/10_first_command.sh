#!/usr/bin/env bash
# README's first command, in a clean clone: exit 0, a bundle whose sum fits; again: nothing runs, under 2 s;
# one byte flipped: it is made anew, the same bytes.
set -euo pipefail

job=$(awk '$0 == "<!-- command: main job -->" { m = 1; next } m && /^```/ { if (i) exit; i = 1; next } i' README.md)
luigi=${job##*&& } # the venv of the caller has the package already
rm -rf var

echo "\$ $luigi"
$luigi 2>first.log
ls -l var/bundles
(cd var/bundles && sha256sum -c ubuntu_14.04.tar.sha256)
sum=$(sha256sum <var/bundles/ubuntu_14.04.tar)

echo "again:"
TIMEFORMAT='%R %U %S'
read -r clock user system < <({ time $luigi 2>second.log; } 2>&1)
grep -F '1 complete ones were encountered' second.log
! grep -q 'ran successfully' second.log
# The processor's seconds count, not the clock's: other work may be under way on the machine.
took=$(awk "BEGIN { print $user + $system }")
awk "BEGIN { exit !($took < 2) }" || { echo "took $took s of a processor, expected less than 2" >&2; exit 1; }
echo "nothing ran, in $took s of a processor ($clock s by the clock)"

echo "one byte flipped:"
python - <<'P'
path = "var/bundles/ubuntu_14.04.tar"
with open(path, "r+b") as bundle:
    bundle.seek(100_000)
    byte = bundle.read(1)[0]
    bundle.seek(100_000)
    bundle.write(bytes([byte ^ 1]))
P
[ "$(sha256sum <var/bundles/ubuntu_14.04.tar)" != "$sum" ]
$luigi 2>third.log
[ "$(sha256sum <var/bundles/ubuntu_14.04.tar)" = "$sum" ]
(cd var/bundles && sha256sum -c ubuntu_14.04.tar.sha256)
echo "made anew, the same bytes"
rm -rf var first.log second.log third.log
