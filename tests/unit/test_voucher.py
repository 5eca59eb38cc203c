from __future__ import annotations

import pytest

from toolkit.errors import CorruptContent
from toolkit.voucher import must_stand, vouchers_of


class Word:
    mark = "a"

    def __init__(self, *, holds: bool) -> None:
        self.holds = holds

    def must_stand(self) -> None:
        if not self.holds:
            raise CorruptContent("app.tar", "is another file")


class Bundle:
    def __init__(self, *words: Word) -> None:
        self.vouchers = words


def test_nobody_vouches_for_a_store() -> None:
    assert vouchers_of(object()) == ()
    must_stand(object())


def test_every_voucher_is_asked() -> None:
    must_stand(Bundle())
    must_stand(Bundle(Word(holds=True)))
    with pytest.raises(CorruptContent, match="is another file"):
        must_stand(Bundle(Word(holds=True), Word(holds=False)))
