"""Names chosen on the way: `--tag OLD=NEW`, and `--tag NEW` for the only image there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit.errors import UsageError
from toolkit.image import SourceImage
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.reference import Reference, meaning

APART = "give one of them another name"
EXAMPLE = "write OLD=NEW: --tag ubuntu:14.04=registry.example:5000/base:1"


@dataclass(frozen=True, slots=True)
class Renaming:
    """Which name, digest or ID becomes which names; the key is what equal names have in common."""

    names: Mapping[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def of(cls, words: Sequence[str], asked: Sequence[str]) -> Renaming:
        """Read the words of `--tag` for images asked for by these names.

        Raises UsageError for an old name that is not asked for, InvalidReference for a new one that is none,
        and UsageError where two images would get one name.
        """
        names: dict[tuple[str, ...], list[str]] = {}
        said: dict[tuple[tuple[str, ...], str], str] = {}  # the words, by what they make of what
        for word in words:
            old, new = _split(word, asked)
            if all(meaning(name) != meaning(old) for name in asked):
                raise UsageError(
                    f"--tag {word[:200]}", f"renames {old!r}, which is not among the images asked for"
                )
            names.setdefault(meaning(old), []).append(new)
            said[meaning(old), new] = word
        _refuse_shared(names, asked, said)
        return cls({old: tuple(dict.fromkeys(new)) for old, new in names.items()})


class Renamed(Through):
    """A source whose images get other names as they leave it; they are asked for by their old ones."""

    def __init__(self, source: Source, renaming: Renaming) -> None:
        super().__init__(source)
        self._renaming = renaming

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the source's image, under its new names if it has any."""
        image = self.source.image(name, platform)
        new = self._renaming.names.get(meaning(name))
        return image if new is None else image.under(new)


def _split(word: str, asked: Sequence[str]) -> tuple[str, str]:
    old, equals, new = word.rpartition("=")
    if not equals and len(asked) != 1:
        problem = f"names one image, and {len(asked)} are asked for"
        raise UsageError(f"--tag {word[:200]}", problem, EXAMPLE)
    reference = Reference.parse(new)
    if reference.digest:
        raise UsageError(f"--tag {word[:200]}", "has a digest, which no one chooses", "write name:tag")
    return (old if equals else asked[0]), reference.familiar


def _refuse_shared(
    names: Mapping[tuple[str, ...], Sequence[str]],
    asked: Sequence[str],
    words: Mapping[tuple[tuple[str, ...], str], str],
) -> None:
    owner: dict[tuple[str, ...], tuple[str, ...]] = {
        meaning(name): meaning(name) for name in asked if meaning(name) not in names
    }
    for old, new in names.items():
        for name in new:
            if owner.setdefault(meaning(name), old) != old:
                raise UsageError(
                    f"--tag {words[old, name][:200]}", f"makes {name[:200]} of two images", APART
                )
