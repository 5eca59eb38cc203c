"""A page made of a template: every text escaped, one stylesheet, and nothing that could be fetched or run."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING

from toolkit.digest import Digest
from toolkit.figures import short_id, size_text
from toolkit.pages.room import counted, cut
from toolkit.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def rendered(template: str, **values: object) -> bytes:
    """Return the page that a template of this package makes of `values`, in UTF-8.

    The same values give the same bytes.
    """
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("toolkit.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(size=size_text, short=short_id, counted=counted, cut=cut)
    environment.globals["policy"] = _policy(environment.get_template("style.css").render())
    return environment


def _shown(value: object) -> object:
    """Return what `{{ … }}` writes: text that is safe to show, before it is escaped."""
    return printable(value) if type(value) is str else value  # a Markup is of our own making


def _policy(style: str) -> str:
    """Return the Content-Security-Policy (CSP 3): this stylesheet, and nothing else whatever."""
    checksum = base64.b64encode(bytes.fromhex(Digest.of(style.encode()).hex)).decode()
    return f"default-src 'none'; style-src 'sha256-{checksum}'; base-uri 'none'; form-action 'none'"
