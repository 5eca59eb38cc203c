from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.amount import Reserve
from toolkit.mirror.jobs.job import FREE, BundleWishes, Job, Mail, Notify, Policy
from toolkit.mirror.jobs.wanted import Wanted
from toolkit.mirror.jobs.window import Window
from toolkit.platform import Platform

LEAST = "site = 'plant-7'\nimages = ['redis:7.2']\n"
ALL = """
site = "plant-7"
images = ["redis:7.2", {repo = "quay.io/team/app", tags = [">=1"]}, "redis:7.2"]
platforms = ["linux/amd64"]
sources = ["oci:drop", "docker://registry.example:5000"]
images_file = "more.txt"
[bundle]
volume = "fat32"
folder = "out"
format = "oci"
compression = "zstd"
parity = 1
key = "/keys/site.key"
[policy]
on_error = "strict"
min_free = "10%"
max_bundle = "200GB"
keep = {images = 3, bundles = 6}
stale = 14
window = "22:00-05:00"
limit_rate = "10M"
[notify]
on = ["done"]
mail = {to = "a@b.example", from = "c@d.example", server = "mail.example"}
webhook = {url = "https://hooks.example/x?token=hunter2", secret = "hook.secret"}
textfile = "lading.prom"
"""


def parse(text: str) -> Job:
    return Job.parse(text.encode(), "job.toml", Path("/etc/lading"))


def test_every_key_is_read() -> None:
    job = parse(ALL)
    amd = (Platform("linux", "amd64"),)
    assert [wanted.reference.familiar for wanted in job.images] == ["redis:7.2", "quay.io/team/app"]
    assert {wanted.platforms for wanted in job.images} == {amd}
    assert (job.site, job.images_file, job.platforms) == ("plant-7", "/etc/lading/more.txt", amd)
    assert job.sources == ("oci:/etc/lading/drop", "docker://registry.example:5000")
    assert job.bundle == BundleWishes(
        4_294_967_295, "/etc/lading/out", "oci", "zstd", parity=1, key="/keys/site.key"
    )
    assert job.policy == Policy(
        "strict",
        Reserve(percent=10),
        200_000_000_000,
        keep_images=3,
        keep_bundles=6,
        stale=14,
        window=Window.parse("22:00-05:00"),
        limit_rate=10 << 20,
    )
    assert job.notify == Notify(
        ("done",),
        Mail(("a@b.example",), "c@d.example", "mail.example"),
        "https://hooks.example/x?token=hunter2",
        "/etc/lading/hook.secret",
        "/etc/lading/lading.prom",
    )


def test_the_least_job_has_the_defaults() -> None:
    assert parse(LEAST) == Job("plant-7", (Wanted.parse("redis:7.2"),))
    assert Policy().min_free == FREE


def test_a_secret_is_in_no_text() -> None:
    assert "hunter2" not in repr(parse(ALL))
    with pytest.raises(InvalidJob) as caught:
        parse(LEAST + "notify.webhook.url = 'ftp://hunter2'")
    assert str(caught.value) == (
        "job.toml: notify.webhook.url: is not what is expected: a URL, as https://hooks.example/lading"
    )


def test_images_come_from_their_own_place_or_the_job_s_or_their_registry() -> None:
    job = parse(LEAST)
    own = dataclasses.replace(job.images[0], source="oci:/x")
    assert job.places(job.images[0]) == ("docker://docker.io",)
    job = dataclasses.replace(job, sources=("oci:/y", "oci:/z"))
    assert job.places(job.images[0]) == ("oci:/y", "oci:/z")
    assert job.places(own) == ("oci:/x",)


def test_a_plain_list_adds_images() -> None:
    job = parse("site = 'a'\nimages_file = 'list'\nplatforms = 'linux/amd64'")
    listed = job.with_listed(b"\xef\xbb\xbf# ours\r\nredis:7.2\r\n\n  quay.io/team/app:1  # why\nredis:7.2\n")
    assert [str(wanted.reference) for wanted in listed.images] == [
        "docker.io/library/redis:7.2",
        "quay.io/team/app:1",
    ]
    assert {wanted.platforms for wanted in listed.images} == {job.platforms}
    with pytest.raises(InvalidJob, match=r"^/etc/lading/list:2: 'a b': is not an image reference"):
        job.with_listed(b"redis\na b\n")
    with pytest.raises(InvalidJob, match=r"^/etc/lading/list:1: "):
        job.with_listed(b"\xff\xfe")


def test_a_job_has_no_more_than_so_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.mirror.jobs.job.MANY", 2)
    with pytest.raises(InvalidJob, match=r"^job\.toml: images: are 3, expected at most 2; make it two jobs$"):
        parse("site = 'a'\nimages = ['a', 'b', 'c']")
    with pytest.raises(InvalidJob, match="makes more than 2 images"):
        parse("site = 'a'\nimages = ['a']\nimages_file = 'b'").with_listed(b"b\nc\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "job.toml: site: is missing"),
        ("sight = 'a'", "job.toml: site: is missing; is it sight, misspelt?"),
        ("site = 'plant 7'", "job.toml: site: is 'plant 7', expected 1 to 64 letters, digits, - and _"),
        (
            "site = 'a.b'",
            "job.toml: site: is 'a.b', expected 1 to 64 letters, digits, - and _, the first no -",
        ),
        ("site = '../x'", "job.toml: site: is '../x', expected"),
        ("site = '-x'", "job.toml: site: is '-x', expected"),
        ("site = 'a'", "job.toml: images: is empty; write images ="),
        ("site = 'a'\nimages = 'redis'", "job.toml: images: is text, expected a list"),
        ("site = 'a'\nimages = ['redis', 'A']", "job.toml: images[1]: 'A': has a repository with capitals"),
        ("site = 'a'\nimages = [{repo = 'x', tags = ['>=']}]", "job.toml: images[0].tags[0]: range '>=': "),
        (
            "site = 'a'\nimages = [{refrence = 'x'}]",
            "job.toml: images[0].reference: is missing; is it refrence, misspelt?",
        ),
        (LEAST + "bundel = {}", "job.toml: bundel: is no key of a job; near it: bundle"),
        (
            LEAST + "bundle.volume = 'usb'",
            "job.toml: bundle.volume: is 'usb', expected a size, as 500MB or 4GiB, or",
        ),
        (LEAST + "bundle.volume = 5", "job.toml: bundle.volume: is a whole number, expected text"),
        (LEAST + "bundle.volume = '1k'", "job.toml: bundle.volume: is 1024 bytes, expected 1048576 or more"),
        (
            LEAST + "bundle.format = 'dir'",
            "job.toml: bundle.format: is 'dir', expected universal, docker or oci",
        ),
        (
            LEAST + "bundle.format = 'docker-v1.2'",
            "job.toml: bundle.format: is 'docker-v1.2', expected universal, docker or oci",
        ),
        (
            LEAST + "bundle.compression = 'xz'",
            "job.toml: bundle.compression: is 'xz', expected keep, none, gzip or",
        ),
        (LEAST + "bundle.parity = 2", "job.toml: bundle.parity: is 2, expected 0 to 1"),
        (
            LEAST + "bundle.parity = true",
            "job.toml: bundle.parity: is true or false, expected a whole number",
        ),
        (
            LEAST + "policy.on_error = 'gap'",
            "job.toml: policy.on_error: is 'gap', expected gaps or strict; near it: gaps",
        ),
        (LEAST + "policy.keep.image = 1", "job.toml: policy.keep.image: is no key of a job; near it: images"),
        (
            LEAST + "policy.window = '22-5'",
            "job.toml: policy.window: is '22-5', expected two times of the day",
        ),
        (LEAST + "policy.limit_rate = 'x'", "job.toml: policy.limit_rate: is 'x', expected bytes a second"),
        (
            LEAST + "policy.limit_rate = '10'",
            "job.toml: policy.limit_rate: is '10', expected 1024 bytes a second or more: a number alone is bytes",
        ),
        (LEAST + "policy.stale = -1", "job.toml: policy.stale: is -1, expected 0 to 36500"),
        (LEAST + "notify.on = ['never']", "job.toml: notify.on[0]: is 'never', expected one of done, gaps, "),
        (LEAST + "notify.mail.to = 'a b'", "job.toml: notify.mail.to: is 'a b', expected an address"),
        (LEAST + "notify.mail.from = 'a@b'", "job.toml: notify.mail.to: is missing; write to ="),
        (
            LEAST + 'notify.mail.to = "a@b\\nBcc: c@d"',
            "job.toml: notify.mail.to: is 'a@b\\nBcc: c@d', expected an address",
        ),
        (
            LEAST + "notify.mail = {to = 'a@b', from = 'c@d', server = 'x:99999'}",
            "job.toml: notify.mail.server: is ",
        ),
        (
            LEAST + "notify.webhook.uri = 'x'",
            "job.toml: notify.webhook.url: is missing; is it uri, misspelt?",
        ),
        (LEAST + "notify.maill = {}", "job.toml: notify.maill: is no key of a job; near it: mail"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse(text)
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == 2


VALUES = st.recursive(
    st.sampled_from(["'redis'", "''", "1", "true", "1.5", "1979-05-27", "'oci:'", "'10%'", "'>=1'"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(["repo", "reference", "tags", "volume", "keep", "mail", "to", "url", "on"]),
            inner,
            max_size=3,
        ).map(lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["site", "images", "sources", "platforms", "bundle", "policy", "notify", "other"])


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_whatever_stands_there_is_a_job_or_one_error(keys: dict[str, str], least: bool) -> None:  # noqa: FBT001
    if least:
        keys = {"site": "'a'", "images": "['redis']", **keys}
    with contextlib.suppress(InvalidJob):
        parse("\n".join(f"{key} = {value}" for key, value in keys.items()))
