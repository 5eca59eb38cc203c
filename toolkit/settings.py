"""Settings: section `[lading]` of luigi's own configuration files, read without luigi.

The same files in the same order, merged, the later one winning, with the same interpolation, so that
the command and the pipeline agree (luigi.configuration; LUIGI_CONFIG_PATH names the last file).
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSetting
from toolkit.reading import Reading

SECTION = "lading"
FILES = ("/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg", "client.cfg", "luigi.cfg")
ENVIRONMENT_VARIABLE = re.compile(r"\$\{([^}]+)\}")
SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `[lading]` says. Sizes are in bytes; in a file `64G` is 64 · 2^30."""

    home: Path = Path("var")
    source: str = "auto"
    strict: bool = False  # warnings are errors
    require_signature: str = ""  # a public key: a bundle that it did not sign is refused
    jobs: int = 0  # layers at once; 0 is as many as there are processors, at most eight
    layer_limit: int = 256 << 30  # bytes that one layer may hold, decompressed
    member_limit: int = 2_000_000  # members that one archive may have
    namespace: str = ""  # of containerd stores
    allow_rebuilt: bool = False  # layers whose tar nobody can prove are made anew from their files
    live: bool = False  # a store is read although an engine is running on it

    @property
    def reading(self) -> Reading:
        """Return how places are read."""
        return Reading(namespace=self.namespace, allow_rebuilt=self.allow_rebuilt, live=self.live)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings that hold in this folder; LADING_HOME overrides `home`.

    Raises InvalidSetting for a file that cannot be parsed, a setting that we do not know, or a
    value of the wrong kind.
    """
    parser = _LuigiParser(environ)
    for path in _files(environ):
        parser.merge(path)
    parser.refuse_unknown()
    settings = Settings(**{name: parser.value(name) for name in READERS if parser.spelling(name)})
    if home := environ.get("LADING_HOME"):
        return replace(settings, home=_path(home))
    return settings


def _files(environ: Mapping[str, str]) -> list[str]:
    last = environ.get("LUIGI_CONFIG_PATH", "")
    # Luigi gives a .toml to its other parser and goes on without it.
    paths = [*FILES, *([last] if last and not last.endswith(".toml") else [])]
    return [path for path in paths if os.path.isfile(path)]


class _Interpolation(configparser.BasicInterpolation):
    """`%(other)s` first, then `${NAME}` of the environment, as luigi chains them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def before_get(
        self,
        parser: MutableMapping[str, Mapping[str, str]],
        section: str,
        option: str,
        value: str,
        defaults: Mapping[str, str],
    ) -> str:
        value = super().before_get(parser, section, option, value, defaults)
        return ENVIRONMENT_VARIABLE.sub(lambda match: self._variable(option, match.group(1)), value)

    def _variable(self, option: str, name: str) -> str:
        if name not in self._environ:
            raise _invalid(option, f"names the environment variable {name}, which is not set")
        return self._environ[name]


class _LuigiParser(configparser.ConfigParser):
    """The part of luigi's parser that `[lading]` needs."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(interpolation=_Interpolation(environ))

    def optionxform(self, optionstr: str) -> str:
        """Keep the case of names, as luigi does."""
        return optionstr

    def merge(self, path: str) -> None:
        """Read one more file over the ones before; one that may not be read counts as missing."""
        try:
            self.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise InvalidSetting(path, f"is not a configuration file ({reason})") from error

    def spelling(self, name: str) -> str:
        """Return how the file spells this setting, empty where it does not; luigi takes dashes too."""
        spellings = (name, name.replace("_", "-"))
        return next((spelling for spelling in spellings if self.has_option(SECTION, spelling)), "")

    def value(self, name: str) -> Any:  # noqa: ANN401 - each has its own type
        """Return a setting that is there, as its reader reads it."""
        try:
            text = self.get(SECTION, self.spelling(name))
        except configparser.InterpolationError as error:
            reason = " ".join(str(error).split())
            raise _invalid(name, f"cannot be filled in ({reason})", "write % as %%") from error
        try:
            return READERS[name](text)
        except ValueError as error:
            raise _invalid(name, f"is {text[:200]!r}, expected {error}") from error

    def refuse_unknown(self) -> None:
        """Raise for a setting that we do not know: a misspelt `require_signature` must not pass."""
        own = self.options(SECTION) if self.has_section(SECTION) else []
        for option in own:
            name = option.replace("-", "_")
            if name not in READERS and option not in self.defaults():
                close = difflib.get_close_matches(name.lower(), READERS, 1, cutoff=0.0)
                raise _invalid(option, "is not a setting", f"the nearest one is {close[0]}")


def _invalid(option: str, problem: str, advice: str = "") -> InvalidSetting:
    return InvalidSetting(f"[{SECTION}] {option}", problem, advice)


def _text(text: str) -> str:
    if not text:
        raise ValueError("some text")
    return text


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a folder")
    return Path(text).expanduser()


def _boolean(text: str) -> bool:
    state = configparser.ConfigParser.BOOLEAN_STATES.get(text.lower())
    if state is None:
        raise ValueError("yes or no")
    return state


def _count(text: str) -> int:
    match = SIZE.fullmatch(text)
    if not match:
        raise ValueError("a whole number, with K, M, G or T after it where it is large")
    return int(match[1]) * UNITS[match[2]]


READERS: Mapping[str, Callable[[str], Any]] = {
    "home": _path,
    "source": _text,
    "strict": _boolean,
    "namespace": str,
    "allow_rebuilt": _boolean,
    "live": _boolean,
    "require_signature": str,
    "jobs": _count,
    "layer_limit": _count,
    "member_limit": _count,
}
