"""Who we are to a registry: challenges, logins and tokens.

Sources: RFC 7235 (challenges), RFC 7617 (Basic), RFC 6750 (Bearer), docker/distribution
docs/spec/auth/{token,oauth}.md.

No login and no token is ever part of an error or a repr. A login goes to its own registry, and to the token
server that this registry names, by https or on this machine.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from toolkit.document import Node, load
from toolkit.errors import RegistryError, ToolkitError, Unsupported
from toolkit.plumbing.certificates import is_loopback
from toolkit.plumbing.http import Answer, Secret, Transport
from toolkit.plumbing.patience import not_before
from toolkit.plumbing.urls import origin, shown
from toolkit.stores.registry_logins import Login, find_login
from toolkit.stores.registry_words import status_and_words

REFUSED = "refuses us"
HEADER_LIMIT = 8 << 10  # characters of a challenge
TOKEN_LIMIT = 1 << 20  # bytes of a token server's answer
SHORTEST = 60.0  # seconds that a token holds where nothing is said (token.md)
EARLY = 0.8  # of its time, after which a token is fetched anew
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of RFC 7230
SCHEME = re.compile(rf"\s*,?\s*({TOKEN})(?:\s+(?={TOKEN}\s*=)|\s*(?=,|$))")
PARAMETER = re.compile(rf'\s*,?\s*({TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({TOKEN}))\s*(?=,|$)')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in: `scheme` is in lower case, as are the keys of `parameters`."""

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pass:
    """An Authorization header, and until when it holds, in seconds of the clock."""

    header: str = field(repr=False)
    until: float


class Doorman:
    """The way into one registry, for several threads; logins are looked up when one is asked for."""

    def __init__(
        self,
        host: str,
        transport: Transport,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._transport, self._environ, self._clock = host, transport, environ, clock
        self._passes: dict[tuple[str, ...], Pass] = {}
        self._logins: dict[str, Login | None] = {}  # by repository, of those that were looked up
        self._login: Login | None = None  # the last one, for messages
        self._asks_basic = False
        self._lock = threading.Lock()  # one token is fetched, however many threads want it

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """Return the Authorization that holds for these scopes; None where none is known to be needed."""
        held = self._passes.get(scopes)
        if held and self._clock() < held.until:
            return held.header
        login = self.login(_repository(scopes)) if self._asks_basic else None
        return login.basic if login and not login.identity_token else None

    def admit(self, challenges: Iterable[str], scopes: tuple[str, ...], refused: str | None) -> str:
        """Return an Authorization that answers a 401; `refused` is the one that was sent, if any.

        Raises RegistryError where there is none, or the one that was sent was all we have.
        """
        found = parse_challenges(challenges, self._host)
        with self._lock:
            if (held := self.header(scopes)) is not None and held != refused:
                return held  # another thread has been there
            bearer = next((each for each in found if each.scheme == "bearer"), None)
            if bearer:
                fresh = self._token(bearer, scopes)
                self._passes[scopes] = fresh
                return fresh.header
            if found and not any(each.scheme == "basic" for each in found):
                told = ", ".join(each.scheme for each in found)
                raise Unsupported(self._host, f"asks for a login by {told[:100]}, expected Basic or Bearer")
            login = self.login(_repository(scopes))
            if not found or login is None or login.basic == refused or login.identity_token:
                raise self._refusal()
            self._asks_basic = True
            return login.basic

    def login(self, repository: str) -> Login | None:
        """Return the login for a repository; raises InvalidSetting where its file cannot be read."""
        if repository not in self._logins:
            self._logins[repository] = find_login(self._host, self._environ, repository)
        self._login = self._logins[repository]
        return self._login

    def advice(self) -> str:
        """Say which login was used, and what to do."""
        if not self._logins:  # refused without being asked who we are
            with suppress(ToolkitError):
                self.login("")
        if (login := self._login) is None:
            return f"no login is known; run: docker login {self._host}, or set REGISTRY_AUTH_FILE"
        told = f"the login is that of {login.where}"
        return f"{told}; it may be wrong, or lack the right: docker login {self._host}"

    def counted(self) -> str:
        """Say whom the registry counts requests of, as far as a login goes."""
        if self._login is None:
            return f"no login was used, and one may raise the limit: docker login {self._host}"
        return f"they are counted for the login of {self._login.where}"

    def kept_secret(self, words: str) -> str:
        """Return what a server said without our logins, which it may say back."""
        for login in filter(None, self._logins.values()):
            for secret in (login.basic.removeprefix("Basic "), login.password, login.identity_token):
                words = words.replace(secret, "…") if secret else words
        return words

    def _refusal(self) -> RegistryError:
        return RegistryError(self._host, REFUSED, self.advice(), status=401)

    def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> Pass:
        """Fetch a token from the server that the registry names (token.md, oauth.md)."""
        realm = challenge.parameters.get("realm", "")
        login = self.login(_repository(scopes))
        self._check_realm(realm, login)
        wanted = dict.fromkeys([*scopes, *filter(None, [challenge.parameters.get("scope")])])
        asked = [("service", challenge.parameters.get("service", "")), *(("scope", one) for one in wanted)]
        asked = [(name, text) for name, text in asked if text]
        if login and login.identity_token:
            answer = self._refreshed(realm, login, dict(asked), " ".join(wanted))
        else:
            mark = "&" if urlsplit(realm).query else "?"
            headers = {"Authorization": login.basic} if login else {}
            answer = self._transport.ask(
                "GET", f"{realm}{mark}{urlencode(asked, quote_via=quote)}", headers, limit=TOKEN_LIMIT
            )
        return self._read(answer, shown(realm))

    def _refreshed(self, realm: str, login: Login, asked: dict[str, str], scope: str) -> Answer:
        form = {
            **asked,
            "scope": scope,
            "grant_type": "refresh_token",
            "client_id": "lading",
            "refresh_token": login.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = Secret(urlencode(form).encode())
        return self._transport.ask("POST", realm, headers, body, limit=TOKEN_LIMIT)

    def _check_realm(self, realm: str, login: Login | None) -> None:
        if not realm:
            raise RegistryError(self._host, "asks for a token, and does not say of whom")
        try:
            parts = urlsplit(realm)
            host = parts.hostname or "" if origin(realm) else ""
        except ValueError:
            parts, host = urlsplit(""), ""
        if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
            raise RegistryError(self._host, f"names the token server {shown(realm)[:200]!r}, which is no URL")
        if login and parts.scheme != "https" and not is_loopback(host):
            problem = f"names the token server {shown(realm)[:200]}, and no login is sent in plain HTTP"
            raise RegistryError(self._host, problem, f"remove its login from {login.where}")

    def _read(self, answer: Answer, realm: str) -> Pass:
        subject = f"token server {realm}"
        if answer.status in {400, 401, 403}:
            problem = f"{REFUSED} ({self.kept_secret(status_and_words(answer.status, answer.body))})"
            raise RegistryError(subject, problem, self.advice(), status=answer.status)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own
            problem = f"answered {answer.status}{not_before(answer.headers)}"
            raise RegistryError(subject, problem, status=answer.status)
        node = _loaded(answer.body, subject)
        token = node.value.get("token") or node.value.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryError(subject, "answered without a token", status=answer.status)
        told = node.value.get("expires_in")
        lasts = max(float(told), 1.0) if type(told) is int and told > 0 else SHORTEST
        return Pass(f"Bearer {token}", self._clock() + lasts * EARLY)


def _repository(scopes: tuple[str, ...]) -> str:
    """Return what a request is about: its first scope is `repository:NAME:RIGHTS`."""
    return scopes[0].split(":")[1] if scopes else ""


def _loaded(raw: bytes, subject: str) -> Node:
    try:
        return load(raw, subject, TOKEN_LIMIT)
    except ToolkitError:
        raise RegistryError(subject, "answered what is no JSON object", status=200) from None


def parse_challenges(headers: Iterable[str], subject: str) -> list[Challenge]:
    """Read WWW-Authenticate headers (RFC 7235 4.1); raises RegistryError for what breaks their grammar."""
    found = []
    for text in headers:
        rest = text
        if len(text) > HEADER_LIMIT:
            raise RegistryError(subject, f"sends a challenge of {len(text)} characters", status=401)
        while rest.strip(" \t,"):
            if not (scheme := SCHEME.match(rest)):
                raise RegistryError(subject, f"sends a challenge that is none: {text[:100]!r}", status=401)
            rest, parameters = rest[scheme.end() :], {}
            while parameter := PARAMETER.match(rest):
                key, quoted, plain = parameter[1].lower(), parameter[2], parameter[3]
                if key in parameters:
                    raise RegistryError(subject, f"sends a challenge with {key} twice", status=401)
                parameters[key] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                rest = rest[parameter.end() :]
            found.append(Challenge(scheme[1].lower(), parameters))
    return found
