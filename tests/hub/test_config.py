"""hub.toml, conf.d, the environment and --set: the later counts, and every problem is one sentence with its place."""

import json
import os
import stat

import pytest

from holdfast_hub.process.config import load, read_secret
from holdfast_hub.process.settings import KEYS, ConfigError, parse_bind
from testkit.hub import HubPlace, holdfast_hub


@pytest.fixture
def place(tmp_path):
    return HubPlace(tmp_path)


def problem(config, sets=(), environment=()):
    """The one sentence."""
    with pytest.raises(ConfigError) as raised:
        load(config, sets, dict(environment))
    said = str(raised.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_init_writes_what_load_reads_and_every_key_is_explained_there(place):
    config = load(place.config, (), {})
    text = place.config.read_text()
    for key in KEYS:
        assert key.name.rpartition(".")[2] + " = " in text
        assert f"# {key.comment}" in text
        assert config.values[key.name] == key.default or config.origins[key.name] == str(place.config)
    # Each line that is commented out is the default: without the mark it is a file that says the same.
    for line in text.splitlines():
        if line.startswith("# ") and " = " in line and line[2].islower() and not line.endswith("."):
            text = text.replace(line, line[2:])
    place.config.write_text(text)
    assert load(place.config, (), {}).values == config.values


def test_modes_and_nothing_is_written_over(place):
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place.config, place.devices, place.state)]
    assert [mode & 0o027 for mode in modes] == [0, 0, 0]
    again = holdfast_hub("init", "--config", place.config, "--state", place.state)
    assert (again.returncode, "exists" in again.stderr) == (2, True)


def test_the_later_source_counts_and_check_says_which(place):
    assert place.told("check")["config"][0] == {"key": "name", "value": "hub", "from": str(place.config)}
    place.add('name = "a"\ndrain_s = 1\n', "10-a.toml")
    place.add('name = "b"\n[log]\nformat = "json"\n', "20-b.toml")
    environment = {"HOLDFAST_HUB__DRAIN_S": "7", "HOLDFAST_HUB__COAP__BIND": "127.0.0.1:1, [::1]:2"}
    config = load(place.config, ["log.format=text"], environment)
    assert (config.text("name"), config.number("drain_s"), config.text("log.format")) == ("b", 7, "text")
    assert [str(bind) for bind in config.binds("coap.bind")] == ["127.0.0.1:1", "[::1]:2"]
    assert config.origins["name"].endswith("20-b.toml")
    assert config.origins["drain_s"] == "HOLDFAST_HUB__DRAIN_S"
    assert config.origins["log.format"] == "--set"
    assert config.origins["coap.tcp"] == "default"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nam = 1", "nam is no key"),
        ("name = 1", "name must be letters"),
        ('name = "a/b"', "name must be letters"),
        ("drain_s = -1", "drain_s must be a whole number from 0 to 300"),
        ("drain_s = true", "drain_s must be a whole number"),
        ("drain_s = 1.5", "drain_s must be a whole number"),
        ('coap.bind = "127.0.0.1:1"', "coap.bind must be a list"),
        ('coap.bind = ["here:1"]', "coap.bind must be a list"),
        ("coap.bind = [1]", "coap.bind must be a list"),
        ('coap.bind = ["127.0.0.1:1", "127.0.0.1:1"]', "coap.bind must be a list"),
        ('coap.tcp = "127.0.0.1:99999"', "coap.tcp must be an address and a port"),
        ('coap.tcp = "[127.0.0.1:5"', "coap.tcp must be an address and a port"),
        ('coap.tcp = "[127.0.0.1]:5"', "coap.tcp must be an address and a port"),
        ('coap.tcp = "::1:5"', "coap.tcp must be an address and a port"),
        ('log.format = "xml"', 'log.format must be "text" or "json"'),
        ('broker.password = "hunter2"', "say broker.password_file"),
        ("links = 1", "links must be sections"),
        ('[links."a/b"]', "is a section"),
        ("[[coap]]", "coap is no key"),
        ("a." * 1500 + "b = 1", "a.a.... is no key"),
        ("[links.a]\n" + "a." * 1500 + "b = 1\n[coap]\nbin = 1", "coap.bin is no key"),
        ("[coapp]", "coapp is no key"),
        ("drain_s = {}", "drain_s must be a whole number"),
        ("= 1", "is not TOML"),
        ('state = "a\\u0000b"', "state must be text"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_file_and_key(place, text, says):
    place.add(text + "\n")
    said = problem(place.config)
    assert str(place.config.parent / "conf.d" / "more.toml") in said
    assert says in said
    assert "hunter2" not in said
    done = place.call("check")
    assert (done.returncode, done.stderr) == (2, f"Error: {said}\n")


def test_what_is_wrong_in_the_environment_and_on_the_command_line(place):
    assert "HOLDFAST_HUB__SPOOL__MAX: spool.max is no key" in problem(
        place.config, environment={"HOLDFAST_HUB__SPOOL__MAX": "1"}
    )
    assert "HOLDFAST_HUB__DRAIN_S: drain_s must be" in problem(place.config, environment={"HOLDFAST_HUB__DRAIN_S": "x"})
    assert "is said in files only" in problem(place.config, environment={"HOLDFAST_HUB__LINKS__A__KIND": "x"})
    assert "--set: drain_s must be" in problem(place.config, ["drain_s=" + "9" * 5000])
    assert "must look like" in problem(place.config, ["drain_s"])


def test_a_file_that_cannot_be_read(place, tmp_path):
    assert "run `holdfast hub init" in problem(tmp_path / "none" / "hub.toml")
    for octets, says in (
        (b"\xff", "UTF-8"),
        (b"a = " + b"[" * 5000, "nested"),
        (b"#" * (1 << 21), "longer"),
        (b"a = " + b"9" * 5000, "a number that is too long"),
    ):
        (place.config.parent / "conf.d" / "more.toml").write_bytes(octets)
        assert says in problem(place.config)
    (place.config.parent / "conf.d" / "more.toml").unlink()
    (place.config.parent / "conf.d" / "dir.toml").mkdir()
    assert "cannot be read" in problem(place.config)


def test_a_secret_comes_from_a_private_file_or_from_systemd_and_is_shown_nowhere(place, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    secret.chmod(0o640)
    place.add(f'broker.password_file = "{secret}"\n')
    done = place.call("check", "--json")
    assert done.returncode == 1
    assert "chmod 600" in done.stdout
    secret.chmod(0o600)
    done = place.call("check", "--json")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout
    assert {"check": "broker password", "ok": True, "says": f"in {secret}"} in json.loads(done.stdout)["checks"]
    assert read_secret("broker.password_file", str(secret), tmp_path, {}) == "hunter2"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "broker").write_text("hunter3")
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert read_secret("k", "credential:broker", tmp_path, given) == "hunter3"
    for name, environment in (("credential:other", given), ("credential:broker", {}), ("credential:../x", given)):
        with pytest.raises(ConfigError):
            read_secret("k", name, tmp_path, environment)
    secret.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_secret("k", str(secret), tmp_path, {})


def test_check_finds_a_state_directory_that_others_may_look_into(place):
    place.state.chmod(0o755)
    done = place.call("check")
    assert (done.returncode, "chmod 700" in done.stdout) == (1, True)
    place.state.chmod(0o700)
    assert place.call("check").returncode == 0


@pytest.mark.parametrize("argv", [("--coap", "here"), ("--name", "a b"), ("--health", "9683")])
def test_init_names_its_option(tmp_path, argv):
    done = holdfast_hub("init", "--config", tmp_path / "hub.toml", "--state", tmp_path / "state", *argv)
    assert (done.returncode, argv[0] in done.stderr) == (2, True)
    assert not os.path.exists(tmp_path / "hub.toml")


def test_a_hub_may_have_no_health_port(tmp_path):
    said = ("--config", tmp_path / "hub.toml")
    assert holdfast_hub("init", *said, "--state", tmp_path / "state", "--health", "").returncode == 0
    assert holdfast_hub("check", *said).returncode == 0


def test_a_place_to_bind():
    assert str(parse_bind("[::1]:5")) == "[::1]:5"
    assert str(parse_bind("localhost:5")) == "127.0.0.1:5"
    for text in (
        "",
        ":5",
        "a:5",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:٣",
        "127.0.0.1:" + "9" * 5000,
    ):
        assert parse_bind(text) is None
