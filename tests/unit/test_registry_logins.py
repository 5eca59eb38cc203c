from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from toolkit.errors import InvalidSetting, ToolkitError
from toolkit.stores.registry_logins import Login, find_login

HOST = "registry.example:5000"
SECRET = "hunter2"
AUTH = base64.b64encode(f"me:{SECRET}".encode()).decode()


def logins(folder: Path, config: object) -> dict[str, str]:
    """The environment of somebody who has logged in."""
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "PATH": os.environ["PATH"]}


def logged_in(folder: Path, host: str = HOST) -> dict[str, str]:
    return logins(folder, {"auths": {host: {"auth": AUTH}}})


def words(*names: str) -> dict[str, object]:
    """Logins whose passwords are the keys that they stand under."""
    return {"auths": {name: {"auth": base64.b64encode(f"me:{name}".encode()).decode()} for name in names}}


def written(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(words(*names)))
    return path


def test_the_file_of_the_environment_comes_before_that_of_docker(tmp_path: Path) -> None:
    environ = logins(tmp_path, {"auths": {HOST: {"auth": base64.b64encode(b"docker:x").decode()}}})
    own = tmp_path / "auth.json"
    own.write_text(json.dumps({"auths": {HOST: {"auth": AUTH}}}))
    assert find_login(HOST, {**environ, "REGISTRY_AUTH_FILE": str(own)}) == Login(str(own), "me", SECRET)
    assert find_login(HOST, environ) == Login(str(tmp_path / "config.json"), "docker", "x")
    assert find_login("other.example", environ) is None


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="holds no logins that can be read"):
        find_login(HOST, {"REGISTRY_AUTH_FILE": str(tmp_path / "none")})
    assert find_login(HOST, {"HOME": str(tmp_path)}) is None


def test_a_link_to_the_file_will_do(tmp_path: Path) -> None:
    environ = logged_in(tmp_path)
    os.rename(tmp_path / "config.json", tmp_path / "real.json")
    (tmp_path / "config.json").symlink_to("real.json")
    found = find_login(HOST, environ)
    assert found
    assert found.where == str(tmp_path / "config.json")


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_a_key_of_its_own(host: str, tmp_path: Path) -> None:
    assert find_login(host, logged_in(tmp_path, "https://index.docker.io/v1/")) is not None


def test_a_credential_helper_is_asked(tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-tests"
    helper.write_text(
        '#!/bin/sh\nread host\n[ "$host" = registry.example:5000 ] || { echo credentials not found in native keychain; exit 1; }\n'
        f'echo \'{{"ServerURL":"x","Username":"me","Secret":"{SECRET}"}}\'\n'
    )
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    environ = logins(tmp_path, {"credHelpers": {HOST: "tests", "other.example": "tests"}})
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
    os_path = pytest.MonkeyPatch()
    os_path.setenv("PATH", environ["PATH"])  # where the program is looked for
    try:
        found = find_login(HOST, environ)
        assert found == Login(str(tmp_path / "config.json"), "me", SECRET)
        assert find_login("other.example", environ) is None
    finally:
        os_path.undo()
    missing = logins(tmp_path, {"credsStore": "no-such-helper"})
    with pytest.raises(
        InvalidSetting,
        match=r"; look after the credential helper that it names: "
        "docker-credential-no-such-helper, which is not in PATH$",
    ):
        find_login(HOST, missing)


@pytest.mark.parametrize(
    "config",
    ["{", "[]", json.dumps({"auths": {HOST: {"auth": f"{SECRET}!"}}}), json.dumps({"auths": {HOST: SECRET}}), json.dumps({"auths": {HOST: {"auth": 5}}}), f'{{"auths":{SECRET}}}'],
)  # fmt: skip
def test_a_broken_file_is_named_and_never_quoted(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ToolkitError) as caught:
        find_login(HOST, {"DOCKER_CONFIG": str(tmp_path)})
    told = f"{caught.value} {caught.value!r}"
    assert str(tmp_path / "config.json") in told
    assert SECRET not in told
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("repository", "key"),
    [
        ("team/app", "quay.io/team/app"),
        ("team/app/part", "quay.io/team/app"),
        ("team/other", "quay.io/team"),
        ("team", "quay.io/team"),
        ("teams/app", "quay.io"),
        ("", "quay.io"),
    ],
)
def test_the_most_specific_key_wins(repository: str, key: str, tmp_path: Path) -> None:
    environ = logins(tmp_path, words("quay.io", "quay.io/team", "quay.io/team/app", "quay.io/team/app/x"))
    found = find_login("quay.io", environ, repository)
    assert found
    assert found.password == key


def test_a_repository_s_login_is_never_that_of_another(tmp_path: Path) -> None:
    environ = logins(tmp_path, words("quay.io/team/app", "docker.io/library/ubuntu"))
    for host, repository in (("quay.io", "other/app"), ("quay.io", ""), ("docker.io", "library/debian")):
        assert find_login(host, environ, repository) is None
    assert find_login("docker.io", environ, "library/ubuntu")


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("quay.io", "https://quay.io"),
        ("quay.io", "http://quay.io/v1/"),
        ("quay.io", "https://quay.io/v2/team"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "https://registry-1.docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_a_url_that_docker_wrote_means_its_host(host: str, key: str, tmp_path: Path) -> None:
    found = find_login(host, logins(tmp_path, words("elsewhere.example", key)), "team/app")
    assert found
    assert found.password == key


def test_a_host_counts_more_than_a_url_of_it(tmp_path: Path) -> None:
    for names in (("https://quay.io", "quay.io"), ("quay.io", "https://quay.io")):
        found = find_login("quay.io", logins(tmp_path, words(*names)))
        assert found
        assert found.password == "quay.io"


def test_the_files_are_asked_in_skopeo_s_order(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    files = [
        written(tmp_path / "run/containers/auth.json", "a", "all"),
        written(tmp_path / "config/containers/auth.json", "a", "b", "all"),
        written(tmp_path / ".docker/config.json", "a", "b", "c", "all"),
    ]
    for name, file in zip("abc", files, strict=True):
        found = find_login(name, environ)
        assert found
        assert found.where == str(file)
    assert find_login("d", environ) is None
    named = written(tmp_path / "named.json", "d")
    assert find_login("d", {**environ, "REGISTRY_AUTH_FILE": str(named)})
    assert find_login("a", {**environ, "REGISTRY_AUTH_FILE": str(named)}) is None


def test_podman_s_file_lies_in_the_home_where_nothing_else_is_said(tmp_path: Path) -> None:
    file = written(tmp_path / ".config/containers/auth.json", "a")
    found = find_login("a", {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "none")})
    assert found
    assert found.where == str(file)


def test_an_empty_entry_is_no_login_and_a_broken_one_of_another_host_no_harm(tmp_path: Path) -> None:
    environ = logins(tmp_path, {"auths": {HOST: {}, "other.example": {"auth": "!"}}})
    assert find_login(HOST, environ) is None
    assert find_login("third.example", environ) is None


def test_no_login_is_in_a_repr(tmp_path: Path) -> None:
    shown = repr(find_login(HOST, logged_in(tmp_path)))
    assert SECRET not in shown
    assert AUTH not in shown


def test_half_a_surrogate_pair_is_no_login(tmp_path: Path) -> None:
    environ = logins(tmp_path, {"auths": {HOST: {"identitytoken": "\ud800" + SECRET}}})
    with pytest.raises(InvalidSetting, match="holds no login for") as caught:
        find_login(HOST, environ)
    assert SECRET not in str(caught.value)
