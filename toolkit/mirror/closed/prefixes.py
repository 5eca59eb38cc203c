"""Prefixes: what images are called where they are handed on to, `--rename OLD=NEW` each.

    docker.io/=mirror.site.example/     every image of that registry
    docker.io/library=base              every image of these repositories, as base/redis:7
    redis:7=cache:7                     one image
    vendor/app=tools/app                one repository, whatever the tag

OLD is compared in its full form, a name at a time: `redis` is `docker.io/library/redis`, and never `redis-x`.
Of several that fit the longest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from toolkit.errors import InvalidReference, UsageError
from toolkit.operations.renaming import Renaming
from toolkit.reference import DEFAULT_REGISTRY, Reference, meaning

APART = "give one of them another name: --rename quay.io/=quay/"
EXAMPLE = "write OLD=NEW: --rename docker.io/=mirror.site.example/"


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Beginnings of names, each with what stands there instead; both in the words of the option."""

    rules: tuple[
        tuple[str, str, str], ...
    ] = ()  # the full old name, without a `/` at its end; the new; the word

    @classmethod
    def parse(cls, words: Iterable[str]) -> Self:
        """Read the words of `--rename`; raises UsageError."""
        rules = []
        for word in words:
            old, equals, new = word.partition("=")
            if not equals or not old.strip("/") or not new.strip("/"):
                raise UsageError(f"--rename {word[:200]}", "is no pair of names", EXAMPLE)
            rules.append((_full(old), new.rstrip("/"), word))
        return cls(tuple(sorted(rules, key=lambda rule: -len(rule[0]))))

    def name_of(self, name: str) -> str:
        """Return what an image is called; raises UsageError where that would be no name."""
        full, rule = _normal(name), self._rule_of(name)
        if rule is None:
            return name
        old, new, word = rule
        return _checked(new + full[len(old) :], name, word)

    def idle(self, names: Iterable[str]) -> list[str]:
        """Return the words that fit none of these names: what is misspelt changes nothing."""
        full = list(map(_normal, names))
        return [word for old, _, word in self.rules if not any(_fits(old, each) for each in full)]

    def of(self, names: Sequence[str]) -> Renaming:
        """Return the renaming of these images; raises UsageError where two of them would get one name."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        owners: dict[tuple[str, ...], str] = {}
        for name in names:
            new = self.name_of(name)
            if meaning(other := owners.setdefault(meaning(new), name)) != meaning(name):
                raise UsageError(self._words_of(other, name), f"makes {new} of {other} and {name}", APART)
            if new != name:
                found[meaning(name)] = (new,)
        return Renaming(found)

    def _rule_of(self, name: str) -> tuple[str, str, str] | None:
        full = _normal(name)
        return next((rule for rule in self.rules if _fits(rule[0], full)), None)

    def _words_of(self, *names: str) -> str:
        rules = dict.fromkeys(rule for name in names if (rule := self._rule_of(name)))
        return " ".join(f"--rename {word[:200]}" for _, _, word in rules)


def _fits(old: str, full: str) -> bool:
    return full == old or (full.startswith(old) and full[len(old)] in "/:@")


def _normal(name: str) -> str:
    """Return the full form of a name; of one that is no reference, itself."""
    try:
        return str(Reference.parse(name))
    except InvalidReference:
        return name


def _full(old: str) -> str:
    """Return the full form of a beginning: a registry, or what begins a repository, or an image."""
    bare = old.rstrip("/")
    head, slash, _ = bare.partition("/")
    is_begun = bool(slash) or old.endswith("/")  # then the first part may be a registry
    if is_begun and (head == "localhost" or "." in head or ":" in head):
        return bare
    if old.endswith("/"):
        return f"{DEFAULT_REGISTRY}/{bare}"
    has_tag = ":" in bare.rpartition("/")[2] or "@" in bare
    return _normal(bare) if has_tag else _normal(bare).removesuffix(":latest")


def _checked(new: str, name: str, word: str) -> str:
    try:
        return Reference.parse(new).familiar
    except InvalidReference as error:
        raise UsageError(f"--rename {word[:200]}", f"makes of {name} no name of an image: {error}") from error
