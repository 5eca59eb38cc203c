from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from toolkit.errors import InvalidSetting
from toolkit.limits import LEAST, MOST, Limits, limits
from toolkit.settings import FILES, Settings, load_settings

ASK_LUIGI = """
import json, warnings
warnings.simplefilter("ignore")
import luigi.configuration
config = luigi.configuration.get_config()
print(json.dumps([config.get("lading", option, None) for option in ("home", "source")]))
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["[lading]", *lines, ""]), encoding="utf-8")
    return str(path)


def as_luigi_reads_it(environ: dict[str, str]) -> list[str | None]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LUIGI", "LADING"))}
    done = subprocess.run(
        [sys.executable, "-c", ASK_LUIGI],
        env={**clean, **environ},
        check=True,
        capture_output=True,
        text=True,
    )
    answer: list[str | None] = json.loads(done.stdout)
    return answer


def refused(*lines: str, environ: dict[str, str] | None = None) -> str:
    write(Path("luigi.cfg"), *lines)
    with pytest.raises(InvalidSetting) as caught:
        load_settings(environ or {})
    return str(caught.value)


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings({}) == Settings(Path("var"), "auto", False, ())


def test_the_files_are_luigi_s() -> None:
    from luigi.configuration.cfg_parser import LuigiConfigParser

    own = [path for path in LuigiConfigParser._config_paths if not path.endswith("pipelines/defaults.cfg")]
    assert list(FILES) == own


@pytest.mark.parametrize(
    ("old", "new", "last", "environ"),
    [
        ([], ["source = oci:b"], [], {}),
        (["home = a", "source = oci:a"], ["source = oci:b"], [], {}),
        (["home = a"], ["home = b", "source = oci:b"], ["home = c"], {}),
        ([], ["home = ${PLACE}/x${PLACE}", "source = 100%%"], [], {"PLACE": "/srv/${NOT}"}),
        ([], ["home = /srv", "source = oci:%(home)s/store"], ["home = /mnt"], {}),
        ([], ["home = a", "  b", "source: x ; no comment", "# a comment"], [], {}),
        ([], ["source = Ümlaut"], [], {"PYTHONUTF8": "1"}),
        ([], ["[DEFAULT]", "home = d", "[other]", "source = no"], [], {}),
    ],
    ids=["new", "merged", "last-wins", "environment", "within", "continued", "umlaut", "default-section"],
)
def test_luigi_reads_the_same(
    here: Path, old: list[str], new: list[str], last: list[str], environ: dict[str, str]
) -> None:
    for name, lines in (("client.cfg", old), ("luigi.cfg", new), ("last.cfg", last)):
        write(here / name, *lines)
    environ = {**environ, "LUIGI_CONFIG_PATH": "last.cfg"}
    home, source = as_luigi_reads_it(environ)
    ours = load_settings(environ)
    assert (str(ours.home), ours.source) == (home or "var", source or "auto")


def test_a_dash_in_a_name_is_taken_as_luigi_takes_it(here: Path) -> None:
    write(here / "luigi.cfg", "require-signature = key.pem")
    assert load_settings({}).require_signature == ("key.pem",)


@pytest.mark.parametrize("name", ["absent.cfg", ".", "luigi.toml", ""])
def test_a_last_file_that_luigi_does_not_read_is_not_read(here: Path, name: str) -> None:
    write(here / "luigi.cfg", "source = oci:b")
    (here / "luigi.toml").write_text('[lading]\nsource = "oci:toml"\n')
    assert load_settings({"LUIGI_CONFIG_PATH": name}).source == "oci:b"


def test_the_environment_overrides_home(here: Path) -> None:
    write(here / "luigi.cfg", "home = a")
    assert load_settings({"LADING_HOME": "/srv/b"}).home == Path("/srv/b")
    assert load_settings({"LADING_HOME": ""}).home == Path("a")


def test_every_setting_is_read(here: Path) -> None:
    write(
        here / "luigi.cfg",
        "home = /srv/lading",
        "source = graph:/var/lib/docker",
        "strict = Yes",
        "require_signature = /etc/lading/my site.pub, RWSj3eSnxP0oUDfYs6JyoAw9EyVSzLjKwgzi3xIsz8lFKuWKCei68r7t",
        "sign_key = /etc/lading/site.key",
        "jobs = 3",
        "layer_limit = 64G",
        "member_limit = 10K",
        "referrers = yes",
    )
    keys = ("/etc/lading/my site.pub", "RWSj3eSnxP0oUDfYs6JyoAw9EyVSzLjKwgzi3xIsz8lFKuWKCei68r7t")
    expected = Settings(Path("/srv/lading"), "graph:/var/lib/docker", True, keys, 3)
    held = Limits(layer=64 << 30, member=10 << 10)
    assert load_settings({}) == replace(
        expected, limits=held, referrers=True, sign_key="/etc/lading/site.key"
    )
    assert not load_settings({}).reading.referrers  # for what carries, not for what lists and describes


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
def test_every_limit_is_a_setting_that_holds_once_it_is_read(here: Path, field: str) -> None:
    least, most = LEAST.get(field, 1), MOST.get(field, 1 << 49)
    for told in (least, most):
        write(here / "luigi.cfg", f"{field}_limit = {told}")
        assert load_settings({}).limits == limits() == Limits(**{field: told})
    refused(f"{field}_limit = {least - 1}")
    if field in MOST:
        refused(f"{field}_limit = {most + 1}")
    assert limits() == Limits(**{field: told})  # what cannot be read changes nothing
    (here / "luigi.cfg").unlink()
    assert load_settings({}).limits == limits() == Limits()


def test_a_home_may_begin_with_a_tilde(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write(here / "luigi.cfg", "home = ~/lading")
    assert load_settings({}).home == Path("/home/someone/lading")


def test_keys_stand_in_lines_or_behind_commas(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write(here / "luigi.cfg", "require_signature = a.pub,", "  ~/b.pub", "  ,c.pub", "sign_key = ~/site.key")
    assert load_settings({}).require_signature == ("a.pub", "/home/someone/b.pub", "c.pub")
    assert load_settings({}).sign_key == "/home/someone/site.key"


def test_a_later_file_takes_back_that_a_signature_is_required(here: Path) -> None:
    write(here / "client.cfg", "require_signature = a.pub", "sign_key = a.key")
    write(here / "luigi.cfg", "require_signature =", "sign_key =")
    assert load_settings({}) == Settings()


@pytest.mark.parametrize("word", ["yes", "true", "ON", "1"])
def test_yes_has_many_words(here: Path, word: str) -> None:
    write(here / "luigi.cfg", f"strict = {word}")
    assert load_settings({}).strict is True


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("strict = maybe", "[lading] strict: is 'maybe', expected yes or no"),
        ("home =", "[lading] home: is '', expected a folder"),
        (
            "require_signature = , ,",
            "[lading] require_signature: is ', ,', expected public keys, or files that",
        ),
        *(
            (
                f"{key} = ~nosuchuser/x",
                f"[lading] {key}: is '~nosuchuser/x', expected a path: there is no user ~nosu",
            )
            for key in ("home", "require_signature", "sign_key")
        ),
        ("source =", "[lading] source: is '', expected some text"),
        *(
            (f"jobs = {text}", f"[lading] jobs: is '{text}', expected a number from 1 to 64")
            for text in ("-1", "0", "65", "1.5", "1K", "all", "9" * 15)
        ),
        ("layer_limit = 64 GB", "[lading] layer_limit: is '64 GB', expected a whole number"),
        ("layer_limit = 0", "[lading] layer_limit: is '0', expected 1 or more"),
        ("json_depth_limit = 1000", "[lading] json_depth_limit: is '1000', expected 1 to 256"),
        ("path_limit = 255", "[lading] path_limit: is '255', expected 256 to 65535"),
        ("window_limit = 4G", "[lading] window_limit: is '4G', expected 8M to 2G"),
        ("ratio_limit = -1", "[lading] ratio_limit: is '-1', expected a whole number"),
        ("layers_limits = 5", "[lading] layers_limits: is not a setting; the nearest one is layers_limit"),
        ("layer_limit = " + "9" * 5000, "[lading] layer_limit: is '9999"),
        ("home = ${PLACE}", "[lading] home: names the environment variable PLACE, which is not set"),
        ("home = %(place)s", "[lading] home: cannot be filled in ("),
        ("home = 100%", "[lading] home: cannot be filled in ("),
        (
            "require_signatur = key.pem",
            "[lading] require_signatur: is not a setting; the nearest one is require_signature",
        ),
        ("Strict = yes", "[lading] Strict: is not a setting; the nearest one is strict"),
        ("home = a\nhome = b", "luigi.cfg: is not a configuration file ("),
        ("home", "luigi.cfg: is not a configuration file ("),
        ("home = %(home)s", "[lading] home: cannot be filled in ("),
    ],
)
def test_a_wrong_setting_is_named(line: str, sentence: str) -> None:
    assert refused(line).startswith(sentence)


def test_the_home_of_nobody_is_refused_in_the_environment_too(here: Path) -> None:
    del here
    with pytest.raises(InvalidSetting) as caught:
        load_settings({"LADING_HOME": "~nosuchuser/x"})
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "LADING_HOME: is '~nosuchuser/x', expected a path: there is no user ~nosuchuser, "
        "and ./~nosuchuser/x is a file"
    )


def test_a_key_of_the_default_section_is_not_ours_to_refuse(here: Path) -> None:
    (here / "luigi.cfg").write_text("[DEFAULT]\nregion = x\n[lading]\nsource = oci:b\n")
    assert load_settings({}).source == "oci:b"


@pytest.mark.parametrize(
    "content", [b"source = x\n", b"[lading\n", b"[lading]\nsource = \xff\n", b"\x00" * 9]
)
def test_a_file_that_is_no_configuration_is_named(here: Path, content: bytes) -> None:
    (here / "last.cfg").write_bytes(content)
    with pytest.raises(InvalidSetting, match=r"^last\.cfg: is not a configuration file \("):
        load_settings({"LUIGI_CONFIG_PATH": "last.cfg"})


def test_luigi_is_not_imported_for_it() -> None:
    script = "import sys; import toolkit.settings; sys.exit('luigi' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.property
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.text("[lading]homesurc=:%{}$() \n#;", max_size=60).map(str.encode))
def test_any_file_is_read_or_refused_with_an_error_of_ours(content: bytes) -> None:
    Path("luigi.cfg").write_bytes(content)
    with suppress(InvalidSetting):
        load_settings({})


@pytest.mark.parametrize(
    ("line", "hosts"),
    [
        ("insecure = a:5000, B.example", ("a:5000", "b.example")),
        ("insecure =", ()),
        ("insecure = a  b", ("a", "b")),
    ],
)
def test_hosts_of_plain_http_stand_in_a_list(line: str, hosts: tuple[str, ...]) -> None:
    write(Path("luigi.cfg"), line)
    assert load_settings({}).insecure == hosts


def test_a_url_is_no_host_of_plain_http() -> None:
    assert "insecure: is 'http://a', expected hosts" in refused("insecure = http://a")


@pytest.mark.parametrize(
    ("text", "rate"), [("500k", 512_000), ("10M", 10_485_760), ("1g", 1 << 30), ("0", 0), ("1000", 1000)]
)
def test_a_rate_is_written_as_curl_has_it(text: str, rate: int) -> None:
    write(Path("luigi.cfg"), f"limit_rate = {text}")
    assert load_settings({}).limit_rate == rate


@pytest.mark.parametrize("text", ["fast", "-1", "1.5M", "10MB", "10M/s", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert "expected bytes a second, as 500k, 10M or 1G" in refused(f"limit_rate = {text}")


@pytest.mark.parametrize(
    ("text", "size"), [("64k", 64 << 10), ("2m", 2 << 20), ("3G", 3 << 30), ("1t", 1 << 40)]
)
def test_a_size_is_written_with_large_or_small_letters(text: str, size: int) -> None:
    write(Path("luigi.cfg"), f"layer_limit = {text}")
    assert load_settings({}).limits.layer == size
