"""Voucher: somebody's word for what a source is read from, which must still hold when all is read."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Voucher(Protocol):
    """What a source was let in for."""

    @property
    def mark(self) -> str:
        """Return what is another for other bytes."""

    def must_stand(self) -> None:
        """Raise CorruptContent where what was read is not what was vouched for."""


@runtime_checkable
class Vouched(Protocol):
    """A source that may have been let in, or that reads from such; none vouches where nobody asked."""

    vouchers: tuple[Voucher, ...]


def vouchers_of(source: object) -> tuple[Voucher, ...]:
    """Return who vouches for what is read of a source."""
    return source.vouchers if isinstance(source, Vouched) else ()


def must_stand(source: object) -> None:
    """Raise CorruptContent where what was read of a source is not what was let in.

    Whoever keeps what he reads asks this when all is read, and before any of it gets a name.
    """
    for voucher in vouchers_of(source):
        voucher.must_stand()
