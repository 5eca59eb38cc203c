from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, NotFound, Unsupported, UsageError
from toolkit.stores.engine_host import DEFAULT_HOST, Certificates, Host, find_host


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def context(config: Path, name: str, host: str, **facts: Any) -> Path:
    """Write a context as `docker context create` does; return the folder of its certificates."""
    hashed = Digest.of(name.encode()).hex
    folder = config / "contexts/meta" / hashed
    folder.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False, **facts}}
    meta = {"Name": name, "Metadata": {}, "Endpoints": endpoints}
    (folder / "meta.json").write_text(json.dumps(meta))
    return config / "contexts/tls" / hashed / "docker"


def certificates(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.pem").touch()


def all_three(folder: Path, *, verify: bool = True) -> Certificates:
    ca, cert, key = (str(folder / f"{name}.pem") for name in ("ca", "cert", "key"))
    return Certificates(ca, cert, key, verify)


def test_the_socket_of_this_machine_is_the_default(config: Path) -> None:
    host = find_host({"DOCKER_CONFIG": str(config)})
    assert host == Host(DEFAULT_HOST, "the default")
    assert host.socket == Path("/var/run/docker.sock")
    assert find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "default"}) == host
    assert find_host({"HOME": str(config)}) == host


def test_docker_host_comes_first(config: Path) -> None:
    context(config, "far", "tcp://far:2375")
    words = {"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far", "DOCKER_HOST": "unix:///x"}
    assert find_host(words) == Host("unix:///x", "DOCKER_HOST")
    assert find_host({"DOCKER_HOST": "far:2375"}).url == "tcp://far:2375"
    assert find_host({"DOCKER_HOST": "far:2375"}).socket is None


def test_a_context_is_found_by_environment_and_by_config(config: Path) -> None:
    context(config, "far", "tcp://far:2375")
    words = {"DOCKER_CONFIG": str(config)}
    assert find_host({**words, "DOCKER_CONTEXT": "far"}) == Host("tcp://far:2375", "context 'far'")
    (config / "config.json").write_text('{"currentContext": "far", "auths": {}}')
    assert find_host(words).url == "tcp://far:2375"
    assert find_host({**words, "DOCKER_CONTEXT": "default"}).url == DEFAULT_HOST


def test_a_context_brings_its_certificates(config: Path) -> None:
    folder = context(config, "far", "tcp://far:2376")
    certificates(folder, "ca", "cert", "key")
    host = find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far"})
    assert host.tls == all_three(folder)
    context(config, "lax", "tcp://far:2376", SkipTLSVerify=True)
    lax = find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "lax"})
    assert lax.tls == Certificates(verify=False)
    context(config, "here", "unix:///x", SkipTLSVerify=True)
    assert find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "here"}).tls is None


def test_tls_is_as_the_environment_says(tmp_path: Path) -> None:
    certificates(tmp_path, "ca", "cert", "key")
    words = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_CERT_PATH": str(tmp_path)}
    assert find_host({**words, "DOCKER_TLS_VERIFY": "1"}).tls == all_three(tmp_path)
    assert find_host({**words, "DOCKER_TLS": "1"}).tls == all_three(tmp_path, verify=False)
    assert find_host(words).tls is None
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(UsageError, match=r"ca\.pem: is not there, and DOCKER_TLS_VERIFY needs it"):
        find_host({**words, "DOCKER_TLS_VERIFY": "1"})


def test_a_context_that_is_not_there_or_broken_is_one_sentence(config: Path) -> None:
    words = {"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far"}
    with pytest.raises(NotFound, match="docker context 'far': is not in"):
        find_host(words)
    context(config, "far", "x")
    (path,) = config.rglob("meta.json")
    path.write_text('{"Endpoints": {}}')
    with pytest.raises(InvalidDocument, match=r"Endpoints\.docker"):
        find_host(words)


def test_ssh_is_said_to_be_unsupported_and_how_to_do_it(config: Path) -> None:
    with pytest.raises(Unsupported, match=r"ssh -L /tmp/docker\.sock:/var/run/docker\.sock me@far, and set"):
        find_host({"DOCKER_HOST": "ssh://me@far"})
    with pytest.raises(Unsupported, match="is reached by unix:// or tcp:// only"):
        find_host({"DOCKER_HOST": "npipe:////./pipe/docker_engine"})
    context(config, "far", "ssh://me@far")
    with pytest.raises(Unsupported, match="the engine that context 'far' names"):
        find_host({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far"})


def test_a_password_in_a_url_is_not_told() -> None:
    host = find_host({"DOCKER_HOST": "tcp://me:secret@far:2375"})
    assert "secret" in host.url
    assert str(host) == "tcp://me@far:2375"


@pytest.mark.parametrize(
    ("url", "tls", "address"),
    [
        ("tcp://far", False, "http://far:2375"),
        ("tcp://far", True, "https://far:2376"),
        ("tcp://me:secret@far:1234/base", False, "http://far:1234/base"),
        ("tcp://[::1]", False, "http://[::1]:2375"),
        ("tcp://[::1]:99", True, "https://[::1]:99"),
        ("https://far", False, "https://far"),
    ],
)
def test_an_address_has_the_port_that_docker_means(url: str, address: str, *, tls: bool) -> None:
    assert Host(url, "the test", Certificates() if tls else None).address == address
