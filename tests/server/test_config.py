"""The configuration file: what init writes loads, and every mistake is one sentence that names the key."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from holdfast_server.process.config import CONFIG_NAME, Bind, ConfigError, load, parse, render

STATE = Path("state")


def document(**over: Any) -> dict[str, Any]:
    return {"issuer": "https://as.example", "http": {"bind": "127.0.0.1:8443"}, **over}


def test_what_init_writes_is_what_load_reads(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text(render("http://127.0.0.1:8080", "127.0.0.1:8080", "[::1]:5683"))
    config = load(tmp_path)
    assert config.settings.issuer == "http://127.0.0.1:8080"
    assert (config.http, config.coap) == (Bind("127.0.0.1", 8080), Bind("::1", 5683))
    assert config.settings.as_uri == "coap://[::1]:5683/token"


def test_every_key_of_the_written_file_may_be_uncommented() -> None:
    text = render("https://as.example", "127.0.0.1:1", "127.0.0.1:2")
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in text.splitlines()
    )
    config = parse(tomllib.loads(uncommented), STATE)
    assert config.certificate == STATE / "tls.crt"
    assert config.settings.as_host == "192.0.2.1"


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"issuer": None}, "issuer"),
        ({"issuer": 5}, "issuer must be text"),
        ({"issuer": "http://as.example"}, "https"),
        ({"issuer": "https://as.example/path?x"}, "without query"),
        ({"issuer": "https://as.example/path#"}, "without query"),
        ({"issuer": "https://as.example/a//b"}, "without query"),
        ({"issuer": "https://as.example/a/../b"}, "without query"),
        ({"issuer": "https://as.example/a%2fb"}, "without query"),
        ({"issuer": "https://as.example/;a"}, "without query"),
        ({"issuer": "ftp://127.0.0.1"}, "https"),
        ({"isuer": "x"}, "isuer is not a key"),
        ({"http": {"bind": "8443"}}, "http.bind must look like"),
        ({"http": {"bind": "127.0.0.1:99999"}}, "http.bind must look like"),
        ({"http": {"bind": "127.0.0.1:" + "9" * 5000}}, "http.bind must look like"),
        ({"http": {"bind": "0.0.0.0:8443"}}, "not a loopback"),
        ({"http": {"certificate": "a"}}, "go together"),
        ({"http": {"bnid": "a"}}, "http.bnid is not a key"),
        ({"code_lifetime_s": 3600}, "from 10 to 600"),
        ({"code_lifetime_s": True}, "whole number"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(over: dict[str, Any], says: str) -> None:
    wrong = {key: value for key, value in document(**over).items() if value is not None}
    with pytest.raises(ConfigError, match=says):
        parse(wrong, STATE)


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holdfast server init"):
        load(tmp_path)


@pytest.mark.parametrize("octets", [b"issuer = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_one_sentence(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / CONFIG_NAME).write_bytes(octets)
    with pytest.raises(ConfigError, match=CONFIG_NAME):
        load(tmp_path)


def test_with_a_certificate_any_address_is_served() -> None:
    config = parse(document(http={"bind": "0.0.0.0:443", "certificate": "c", "key": "k"}), STATE)
    assert not config.http.loopback
