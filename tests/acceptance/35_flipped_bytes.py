"""One byte of a real bundle becomes another, 2,000 times: what `verify` makes of it, by what stands there.

Bundles of every format, made of the sample and of an image with a compressed layer; always the same changes. The
script ends with 1 where one is not noticed with 5 or 6 and nobody can say why, line by line.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.flips import UNSUPPORTED, bundles, changes
from toolkit.cli.output import aligned

COUNT = 2000
HEAD = ("WHAT STANDS THERE", "TRIED", "EXIT 5", "EXIT 6", "EXIT 4", "NOT NOTICED")


def main() -> None:
    """Try them all, and print the table."""
    tried: Counter[tuple[str, str]] = Counter()
    reasons: Counter[tuple[str, str, str]] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="accept-") as work:
        found = bundles(Path(work))
        for change in changes(found, COUNT):
            codes = change.codes()
            gravest = str(max(codes)) if codes else "-"
            tried[change.what, gravest] += 1
            if not codes:
                reasons[change.bundle.format, change.what, change.reason] += 1
            is_fine = codes <= {5, 6} or (codes == {4} and change.what in UNSUPPORTED)
            if not is_fine or not (codes or change.reason):
                wrong.append(
                    f"{change.bundle.format}: {change.what} at byte {change.position}: {codes or 'nothing'}"
                )
    rows: list[tuple[str, ...]] = [HEAD]
    for what in sorted({what for what, _ in tried}):
        outcomes = [tried[what, code] for code in ("5", "6", "4", "-")]
        rows.append((what, *map(str, [sum(outcomes), *outcomes])))
    print(*aligned(rows), sep="\n")
    print("\nnot noticed, because")
    for (format_name, what, reason), count in sorted(reasons.items()):
        print(f"  {count:4}  {format_name:12} {what:16} {reason or 'NOBODY KNOWS WHY'}")
    if wrong:
        sys.exit("\n".join(wrong))
    noticed = sum(count for (_, code), count in tried.items() if code in {"5", "6"})
    print(
        f"\n{COUNT} changes in {len(found)} formats: {noticed} noticed with 5 or 6, and of each other it is known why"
    )


main()
