"""Job: what one closed side is to have, and how it gets there: a TOML file, told in docs/mirror.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from toolkit.bundles import DEFAULT, FORMATS
from toolkit.errors import InvalidJob, InvalidReference, InvalidSetting
from toolkit.mediatype import LAYER_SUFFIX
from toolkit.mirror.jobs.amount import Reserve, read_size, read_volume
from toolkit.mirror.jobs.table import Table, load
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.mirror.jobs.window import Window
from toolkit.mirror.news.metrics import SUFFIX
from toolkit.mirror.records.papers import SITE, SITE_FORM
from toolkit.platform import Platform
from toolkit.settings import read_rate

MANY = 100_000  # images
LEAST_VOLUME = 1 << 20
LEAST_RATE = 1 << 10  # bytes a second: at less, a run would seem to hang
FREE = Reserve(1 << 30)
MOST = 1_000_000  # of anything that is counted
FOR_EVER = 36_500  # days
KEEP = "keep"
COMPRESSIONS = (KEEP, *(name or "none" for name in LAYER_SUFFIX))
LAYOUTS = tuple(row.name for row in FORMATS if row.members_of and not row.losses_of)  # a set is a layout
GAPS, STRICT = "gaps", "strict"
OCCASIONS = ("done", "gaps", "failed", "stale")


@dataclass(frozen=True, slots=True)
class BundleWishes:
    """How what is carried is packed. Sizes are in bytes."""

    volume: int = 0  # the largest file; 0 where all is to be one
    folder: str = ""  # where the volumes are written; empty where the site's own folder is meant
    format: str = DEFAULT
    compression: str = KEEP
    parity: int = 0  # volumes from which a lost one is made again
    key: str = field(default="", repr=False)  # the file of a secret key


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run may use, and what it does when something fails."""

    on_error: str = GAPS
    min_free: Reserve = FREE
    max_bundle: int = 0  # bytes of a set; 0 is any
    keep_images: int = 0  # of each repository; 0 is all
    keep_bundles: int = 0
    stale: int = 0  # days after which a set that did not come is missed; 0 is never
    window: Window | None = None
    limit_rate: int = 0  # bytes a second; 0 is what [lading] says


@dataclass(frozen=True, slots=True)
class Mail:
    """Who is written to, and through which server, as host:port."""

    to: tuple[str, ...]
    sender: str
    server: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of a run, and where its figures go."""

    on: tuple[str, ...] = ("gaps", "failed", "stale")
    mail: Mail | None = None
    webhook: str = field(default="", repr=False)  # it may hold a secret
    webhook_secret: str = ""  # the file of the secret that it is signed with; empty where it is not
    textfile: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job file, read. Its paths were relative to its folder, and are not any more."""

    site: str  # the closed side; part of the names of files
    images: tuple[Wanted, ...]
    images_file: str = ""  # a list of more of them, one a line
    platforms: tuple[Platform, ...] = ()  # of images that say none themselves; none is all
    sources: tuple[str, ...] = ()  # places, asked in their order; none is the registry that a name says
    bundle: BundleWishes = BundleWishes()
    policy: Policy = Policy()
    notify: Notify = Notify()

    @classmethod
    def parse(cls, raw: bytes, subject: str, folder: Path = Path()) -> Self:
        """Read a job, in which relative paths are meant from `folder` on.

        Raises InvalidJob, which names the key by its path in the file `subject`.
        """
        table = load(raw, subject, folder)
        platforms = table.texts("platforms", Platform.parse)
        job = cls(
            table.required("site", _site),
            _unique(table, _images(table, platforms)),
            table.path("images_file"),
            platforms,
            table.places("sources"),
            _bundle(table.table("bundle")),
            _policy(table.table("policy")),
            _notify(table.table("notify")),
        )
        table.end()
        if not job.images and not job.images_file:
            table.fail("images", "is empty", 'write images = ["redis:7.2"], or images_file')
        return job

    def with_listed(self, raw: bytes) -> Self:
        """Add the images of a plain list, one a line, `#` before a comment; raises InvalidJob."""
        images = dict.fromkeys(self.images)
        for number, line in enumerate(raw.decode("utf-8-sig", "replace").splitlines(), 1):
            if text := line.partition("#")[0].strip():
                try:
                    images[Wanted.parse(text, self.platforms)] = None
                except InvalidReference as error:
                    raise InvalidJob(f"{self.images_file}:{number}", str(error)) from error
            if len(images) > MANY:
                raise InvalidJob(self.images_file, f"makes more than {MANY} images", "make it two jobs")
        return replace(self, images=tuple(images))

    def places(self, wanted: Wanted) -> tuple[str, ...]:
        """Return where images come from: places to ask in this order."""
        own = (wanted.source,) if wanted.source else self.sources
        return own or (f"docker://{wanted.reference.registry}",)


def _images(table: Table, platforms: tuple[Platform, ...]) -> Iterator[Wanted]:
    for number, item in enumerate(table.items("images")):
        if isinstance(item, Table):
            yield Wanted.from_table(item, platforms)
            continue
        try:
            yield Wanted.parse(item, platforms)
        except InvalidReference as error:
            table.fail(f"images[{number}]", str(error))


def _unique(table: Table, images: Iterator[Wanted]) -> tuple[Wanted, ...]:
    found = tuple(dict.fromkeys(images))
    if len(found) > MANY:
        table.fail("images", f"are {len(found)}, expected at most {MANY}", "make it two jobs")
    return found


def _bundle(table: Table) -> BundleWishes:
    volume = table.parsed("volume", read_volume, 0)
    if 0 < volume < LEAST_VOLUME:
        table.fail("volume", f"is {volume} bytes, expected {LEAST_VOLUME} or more")
    wishes = BundleWishes(
        volume,
        table.path("folder"),
        table.choice("format", LAYOUTS),
        table.choice("compression", COMPRESSIONS),
        table.number("parity", 0, 0, 1),
        table.path("key"),
    )
    table.end()
    return wishes


def _policy(table: Table) -> Policy:
    keep = table.table("keep")
    policy = Policy(
        table.choice("on_error", (GAPS, STRICT)),
        table.parsed("min_free", Reserve.parse, FREE),
        table.parsed("max_bundle", read_size, 0),
        keep.number("images", 0, 0, MOST),
        keep.number("bundles", 0, 0, MOST),
        table.number("stale", 0, 0, FOR_EVER),
        table.parsed("window", Window.parse, None),
        table.parsed("limit_rate", _rate, 0),
    )
    keep.end()
    table.end()
    return policy


def _notify(table: Table) -> Notify:
    on = table.texts("on", _occasion) if "on" in table else Notify().on
    mail, webhook = table.table("mail"), table.table("webhook")
    notify = Notify(
        on,
        _mail(mail) if "mail" in table else None,
        webhook.hidden("url", _url) if "webhook" in table else "",
        webhook.path("secret"),
        table.parsed("textfile", _textfile, "") and table.path("textfile"),
    )
    for part in (mail, webhook, table):
        part.end()
    return notify


def _mail(table: Table) -> Mail:
    to = table.texts("to", _address)
    if not to:
        table.fail("to", "is missing", 'write to = "operator@site.example"')
    return Mail(to, table.required("from", _address), table.parsed("server", _server, "localhost:25"))


def _site(text: str) -> str:
    if not SITE.fullmatch(text):
        raise ValueError(SITE_FORM)
    return text


def _rate(text: str) -> int:
    if 0 < (rate := read_rate(text)) < LEAST_RATE:
        raise ValueError(f"{LEAST_RATE} bytes a second or more: a number alone is bytes, and 10M ten million")
    return rate


def _occasion(text: str) -> str:
    if text not in OCCASIONS:
        raise ValueError(f"one of {', '.join(OCCASIONS)}")
    return text


def _address(text: str) -> str:
    from toolkit.mirror.news.mail import ADDRESS

    if not ADDRESS.fullmatch(text):
        raise ValueError("an address, as operator@site.example")
    return text


def _server(text: str) -> str:
    """Read a mail server; raises ValueError, which never repeats a login."""
    from toolkit.plumbing.smtp import MailServer

    try:
        MailServer.parse(text)
    except InvalidSetting as error:
        raise ValueError("a host, and a port after a colon, or smtps://HOST:PORT, without a login") from error
    return text


def _textfile(text: str) -> str:
    if not text.endswith(SUFFIX):
        raise ValueError(f"a file that ends in {SUFFIX}: node_exporter reads no other")
    return text


def _url(text: str) -> str:
    """Read a URL; raises ValueError, which tells nothing of it."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("a URL, as https://hooks.example/lading")
    return text
