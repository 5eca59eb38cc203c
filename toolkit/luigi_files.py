"""Luigi's own configuration files, read as luigi reads them, and without it.

A module of its own because most runs find no such file, and have no need of a parser.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeVar

from toolkit.errors import InvalidSetting

ENVIRONMENT_VARIABLE = re.compile(r"\$\{([^}]+)\}")
# As configparser's own, but for the colon of a port, as in `registry.example:5000 = …`.
OPTION = re.compile(r"(?P<option>.*?)\s*(?P<vi>=|:(?![0-9]{1,5}(?:/[^\s=]*)?\s*=))\s*(?P<value>.*)$")


T = TypeVar("T")


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
        return ENVIRONMENT_VARIABLE.sub(lambda match: self._variable(section, option, match.group(1)), value)

    def _variable(self, section: str, option: str, name: str) -> str:
        if name not in self._environ:
            problem = f"names the environment variable {name}, which is not set"
            raise InvalidSetting(f"[{section}] {option}", problem)
        return self._environ[name]


class LuigiParser(configparser.ConfigParser):
    """The part of luigi's parser that one section needs; `readers` are its settings, each with its kind."""

    OPTCRE = OPTION

    def __init__(
        self, section: str, readers: Mapping[str, Callable[[str], Any]], environ: Mapping[str, str]
    ) -> None:
        super().__init__(interpolation=_Interpolation(environ))
        self._own, self._readers, self._environ = section, readers, environ
        self._paths: list[str] = []

    def optionxform(self, optionstr: str) -> str:
        """Keep the case of names, as luigi does."""
        return optionstr

    def merge(self, path: str) -> None:
        """Read one more file over the ones before; one that may not be read counts as missing."""
        self._paths.append(path)
        try:
            self.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise InvalidSetting(path, f"is not a configuration file ({reason})") from error

    def spelling(self, name: str) -> str:
        """Return how the file spells this setting, empty where it does not; luigi takes dashes too."""
        spellings = (name, name.replace("_", "-"))
        return next((spelling for spelling in spellings if self.has_option(self._own, spelling)), "")

    def value(self, name: str) -> Any:  # noqa: ANN401 - each has its own type
        """Return a setting that is there, as its reader reads it."""
        text = self._filled(self._own, self.spelling(name))
        try:
            return self._readers[name](text)
        except ValueError as error:
            raise self._invalid(name, f"is {text[:200]!r}, expected {error}") from error

    def rows(self, section: str, read: Callable[[str, str], T]) -> list[T]:
        """Return what `read` makes of each name and text of another section, which is a table.

        Raises InvalidSetting, which names the file: a text may be too secret to be told.
        """
        names = self.options(section) if self.has_section(section) else []
        found = []
        for name in (name for name in names if name not in self.defaults()):
            try:
                found.append(read(name, self._filled(section, name)))
            except ValueError as error:
                subject = f"{self._file(section, name)}: [{section}] {name}"
                raise InvalidSetting(subject, str(error)) from error
        return found

    def refuse_unknown(self) -> None:
        """Raise for a setting that we do not know: a misspelt `require_signature` must not pass."""
        own = self.options(self._own) if self.has_section(self._own) else []
        for option in own:
            name = option.replace("-", "_")
            if name not in self._readers and option not in self.defaults():
                import difflib

                close = difflib.get_close_matches(name.lower(), self._readers, 1, cutoff=0.0)
                raise self._invalid(option, "is not a setting", f"the nearest one is {close[0]}")

    def _filled(self, section: str, option: str) -> str:
        try:
            return self.get(section, option)
        except configparser.InterpolationError as error:
            reason = " ".join(str(error).split())
            problem = f"cannot be filled in ({reason})"
            raise InvalidSetting(f"[{section}] {option}", problem, "write % as %%") from error

    def _file(self, section: str, option: str) -> str:
        """Return the file that had the last word."""
        for path in reversed(self._paths):
            alone = LuigiParser(section, {}, self._environ)
            alone.merge(path)
            if alone.has_section(section) and option in alone.options(section):
                return path
        raise AssertionError(option)

    def _invalid(self, option: str, problem: str, advice: str = "") -> InvalidSetting:
        return InvalidSetting(f"[{self._own}] {option}", problem, advice)
