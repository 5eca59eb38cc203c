"""`python -m toolkit`: the command, where it is not installed."""

from __future__ import annotations

import sys

from toolkit.cli import main

sys.exit(main())
