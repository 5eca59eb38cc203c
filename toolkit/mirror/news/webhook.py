"""Webhook: an outcome's JSON posted to an address, signed where there is a secret.

`X-Lading-Signature-256: sha256=<hex>` is the HMAC-SHA256 (RFC 2104) of the body, as GitHub signs its own.
Of the address nothing but scheme and host is ever told: in the path many services have their secret.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from toolkit.errors import InvalidSetting, RegistryError, StoreError, ToolkitError
from toolkit.mirror.records.outcome import Outcome
from toolkit.plumbing.files import read_bounded
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience

SIGNATURE = "X-Lading-Signature-256"
SECRET_LIMIT = 4096  # bytes
ANSWER_LIMIT = 1 << 20  # bytes; nobody reads it
PATIENCE = Patience(tries=4, total=60.0)
TIMEOUTS = 10.0, 15.0  # seconds to connect, and for an answer
FINE, REDIRECTING, REFUSED = 200, 300, 400  # and above


def post(outcome: Outcome, url: str, secret: str, web: Transport) -> None:
    """Send an outcome; `secret` is a file, or empty. Raises ToolkitError where nobody took it.

    It is sent again where that may help: it may come twice.
    """
    where, body = place(url), outcome.raw()
    headers = {"Content-Type": "application/json", **(signed(body, secret) if secret else {})}
    try:
        answer = web.ask("POST", url, headers, body, limit=ANSWER_LIMIT, follow=False)
    except ToolkitError as error:
        advice = error.advice if isinstance(error, RegistryError) else ""
        raise StoreError(where, error.problem, advice) from None
    if answer.status >= REFUSED or answer.status < FINE:
        raise StoreError(where, f"answers {answer.status}")
    if answer.status >= REDIRECTING:
        advice = "write down the address that it leads to"
        raise StoreError(where, f"answers {answer.status}, a redirect, which is not followed", advice)


def place(url: str) -> str:
    """Return what of a webhook's address may be told; raises InvalidSetting for what is none."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise InvalidSetting("notify.webhook", "is no address of HTTP", "write it as https://HOST/PATH")
    if "@" in parts.netloc:
        raise InvalidSetting("notify.webhook", "has a login in its address", "sign with a secret instead")
    return f"webhook {parts.scheme}://{parts.netloc}"


def signed(body: bytes, secret: str) -> Mapping[str, str]:
    """Return the header that signs a body with the secret in a file, whose last line end does not count."""
    if "\0" in secret:
        raise InvalidSetting("notify.webhook", f"{secret!r} is no file")
    path = Path(os.path.realpath(secret))  # a link, where Kubernetes lays secrets down
    key = read_bounded(path, SECRET_LIMIT).removesuffix(b"\n").removesuffix(b"\r")
    if not key:
        raise InvalidSetting(secret, "is empty", "put the secret of the webhook there")
    return {SIGNATURE: f"sha256={hmac.digest(key, body, 'sha256').hex()}"}
