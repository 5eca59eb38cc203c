"""Selection: the rules of `tags`, and what they say of each tag of a repository.

    tags = [">=2.50 <3", "1.2.*", "stable", "!*-debug", "latest 3"]

Every rule but `latest` is an alternative; one with `!` before it excludes, which always wins. `latest N`
leaves, of what the others take, the N highest versions, and tags that are named. The order of rules is of no
consequence.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.rule import Glob, Named, Rule, read_rule
from toolkit.mirror.jobs.version import Precedence, Version
from toolkit.mirror.jobs.versionrange import VersionRange

LATEST = re.compile(r"latest[ \t]+([0-9]{1,6})")
EXCLUDING = "!"
MANY = 256  # rules
FEW = 3  # rules to say a refusal of
KINDS: tuple[type[Rule], ...] = (Named, Glob, VersionRange)
EVERY_VERSION, EVERY_TAG = ">=0", "*"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a tag is in, and why."""

    tag: str
    is_in: bool
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Rules, in an order of their own: equal for the same rules, however they are written."""

    includes: tuple[Rule, ...]
    excludes: tuple[Rule, ...] = ()
    newest: int = 0  # how many of the highest versions; 0 is all

    @classmethod
    def parse(cls, rules: Sequence[str]) -> Self:
        """Read rules; raises InvalidJob.

        Where none but names include, `latest` is of all plain releases; exclusions alone are of all tags.
        """
        if not 0 < len(rules) <= MANY:
            raise InvalidJob("tags", f"are {len(rules)} rules, expected 1 to {MANY}", '"*" is every tag')
        texts = list(dict.fromkeys(rule.strip() for rule in rules))
        counts = [count for text in texts if (count := _count(text))]
        if len(counts) > 1:
            raise InvalidJob("tags", "say `latest` twice", "leave one of the two")
        excludes = [read_rule(text[1:].strip()) for text in texts if text.startswith(EXCLUDING)]
        rest = [text for text in texts if not text.startswith(EXCLUDING) and not LATEST.fullmatch(text)]
        includes = [read_rule(text) for text in rest or ([] if counts else [EVERY_TAG])]
        if counts and all(isinstance(rule, Named) for rule in includes):
            includes.append(read_rule(EVERY_VERSION))
        return cls(_in_order(includes), _in_order(excludes), counts[0] if counts else 0)

    def verdicts(self, tags: Sequence[str]) -> list[Verdict]:
        """Return one verdict for each tag, in their order."""
        versions = {tag: Version.parse(tag) for tag in tags}
        verdicts = [self._verdict(tag, versions[tag]) for tag in tags]
        if not self.newest:
            return verdicts
        named = {rule.text for rule in self.includes if isinstance(rule, Named)}
        left = [verdict.tag for verdict in verdicts if verdict.is_in and verdict.tag not in named]
        found = {version.precedence for tag in left if (version := versions[tag])}
        highest = frozenset(sorted(found, reverse=True)[: self.newest])
        counted = frozenset(left)
        return [
            self._counted(verdict, versions[verdict.tag], highest) if verdict.tag in counted else verdict
            for verdict in verdicts
        ]

    def idle(self, tags: Sequence[str]) -> list[str]:
        """Return the including rules that take none of these tags, such as a name that is not there."""
        versions = [(tag, Version.parse(tag)) for tag in tags]
        return [
            rule.text
            for rule in self.includes
            if all(rule.refusal(tag, version) for tag, version in versions)
        ]

    def _verdict(self, tag: str, version: Version | None) -> Verdict:
        for rule in self.excludes:
            if rule.excludes(tag, version):
                return Verdict(tag, is_in=False, why=f"excluded by {EXCLUDING}{rule.text}")
        refusals = []
        for rule in self.includes:
            if not (refusal := rule.refusal(tag, version)):
                return Verdict(tag, is_in=True, why=rule.grounds)
            if not isinstance(rule, Named):
                refusals.append(f"{rule.text}: {refusal}")
        more = [f"and {len(refusals) - FEW} more"] if len(refusals) > FEW else []
        return Verdict(tag, is_in=False, why="; ".join(refusals[:FEW] + more) or "not named")

    def _counted(self, verdict: Verdict, version: Version | None, highest: Container[Precedence]) -> Verdict:
        """Return what is left of a verdict once the highest versions are known."""
        if version is None:
            return replace(
                verdict, is_in=False, why=f"{verdict.why}, but no version, which latest {self.newest} is of"
            )
        if version.precedence in highest:
            return replace(verdict, why=f"{verdict.why}, and among the {self.newest} highest")
        return replace(verdict, is_in=False, why=f"{verdict.why}, but not among the {self.newest} highest")


def _count(text: str) -> int:
    """Return the N of `latest N`; 0 for another rule."""
    found = LATEST.fullmatch(text)
    if found and not int(found[1]):
        raise InvalidJob(f"rule {text!r}", "takes nothing, expected latest 1 or more")
    return int(found[1]) if found else 0


def _in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules in an order that does not depend on how they were written: names, globs, ranges."""
    return tuple(sorted(rules, key=lambda rule: (KINDS.index(type(rule)), rule.text)))
