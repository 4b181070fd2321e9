"""The configuration in force, and where each value of it comes from.

hub.toml, then conf.d/*.toml beside it in the order of their names, then HOLDFAST_HUB__SECTION__KEY of the environment,
then --set: the later one counts. Every problem is one sentence that names file and key. No secret is ever in here.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast_hub.process.settings import (
    BY_NAME,
    FREE_SECTIONS,
    KEYS,
    SECTIONS,
    Bind,
    ConfigError,
    Key,
    Value,
    not_a_key,
    parse_bind,
    problem_with,
)
from holdfast_hub.records import NAME

ENVIRONMENT_PREFIX = "HOLDFAST_HUB__"
DEFAULT, FLAG = "default", "--set"
MAX_FILE_LEN = 1 << 20
MAX_NAME_LEN = 100
CREDENTIAL = "credential:"
OTHERS = 0o077  # what anybody but the owner may do


@dataclass(frozen=True)
class Config:
    """Everything that `holdfast hub run` needs to know. values: by name of the key; origins: where each was said.

    links, readings: what links/ and readings/ read, by the name that an operator has given.
    """

    path: Path
    values: dict[str, Value]
    origins: dict[str, str]
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return the value of a key that is text."""
        value = self.values[name]
        assert isinstance(value, str), name  # noqa: S101 - the table has said so
        return value

    def number(self, name: str) -> int:
        """Return the value of a key that is a whole number."""
        value = self.values[name]
        assert isinstance(value, int), name  # noqa: S101
        return value

    def flag(self, name: str) -> bool:
        """Return the value of a key that is true or false."""
        return self.values[name] is True

    def texts(self, name: str) -> list[str]:
        """Return the value of a key that is a list."""
        value = self.values[name]
        assert isinstance(value, list), name  # noqa: S101
        return value

    def bind(self, name: str) -> Bind | None:
        """Where to bind; None for nowhere."""
        return parse_bind(self.text(name))

    def binds(self, name: str) -> list[Bind]:
        """Return the places to bind."""
        return [bound for bound in map(parse_bind, self.texts(name)) if bound is not None]

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.path.parent / self.text("state")

    @property
    def devices_file(self) -> Path:
        """The file of the devices."""
        return self.path.parent / self.text("devices")


def load(path: Path, sets: Sequence[str] = (), environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the configuration. sets: KEY=VALUE of the command line. Raises ConfigError."""
    layers = _Layers()
    layers.add_file(path)
    for part in sorted((path.parent / "conf.d").glob("*.toml")):
        layers.add_file(part)
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            layers.add_text(name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), text, name)
    for assignment in sets:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f'--set {assignment} must look like --set "log.format=json".')
        layers.add_text(name.strip(), text.strip(), FLAG)
    return layers.config(path)


def read_toml(path: Path, how: str = "", most_len: int = MAX_FILE_LEN) -> dict[str, Any]:
    """Read a TOML file of most_len octets at most. how: what to do when there is none. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            octets = file.read(most_len + 1)
        if len(octets) > most_len:
            raise ConfigError(f"{path} is longer than {most_len} bytes.")
        return tomllib.loads(octets.decode())
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}{how}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
    except ValueError:  # of int, which tomllib lets out
        raise ConfigError(f"{path} has a number that is too long.") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply.") from None


def read_secret(name: str, text: str, beside: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Read the first line of a secret file, see secret_file. Raises ConfigError."""
    path = secret_file(name, text, beside, environment)
    try:
        line = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: {path} is not UTF-8 text.") from None
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}.") from None
    if not line:
        raise ConfigError(f"{name}: {path} is empty.")
    return line


def secret_file(name: str, text: str, beside: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file that a key names, or the systemd credential; nobody else may read it. Raises ConfigError."""
    if text.startswith(CREDENTIAL):
        folder = environment.get("CREDENTIALS_DIRECTORY", "")
        credential = text.removeprefix(CREDENTIAL)
        if not folder or not NAME.fullmatch(credential):
            raise ConfigError(f"{name} names a credential, and systemd has handed over none of that name.")
        path = Path(folder) / credential
    else:
        path = beside / text
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}.") from None
    if not text.startswith(CREDENTIAL) and mode & OTHERS:
        raise ConfigError(f"{name}: others than its owner may read {path}: chmod 600 it.")
    return path


class _Layers:
    """Takes one source after the other; the later one counts."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {key.name: key.default for key in KEYS}
        self._origins = dict.fromkeys(self._values, DEFAULT)
        self._free: dict[str, dict[str, dict[str, Any]]] = {section: {} for section in FREE_SECTIONS}

    def add_file(self, path: Path) -> None:
        document = read_toml(path, f": run `holdfast hub init --config {path}` first, or name the right file")
        for section in FREE_SECTIONS:
            self._add_free(section, document.pop(section, {}), path)
        for name, value in _flat(document):
            self._put(name, value, str(path))

    def add_text(self, name: str, text: str, origin: str) -> None:
        key = BY_NAME.get(name)
        if key is None:
            if name.partition(".")[0] in FREE_SECTIONS:
                raise ConfigError(f"{origin}: {name} is said in files only.")
            raise ConfigError(f"{origin}: {name} {not_a_key(name)}.")
        self._put(name, _read(key, text), origin)

    def config(self, path: Path) -> Config:
        return Config(path, self._values, self._origins, **self._free)

    def _put(self, name: str, value: Any, origin: str) -> None:
        key = BY_NAME.get(name)
        problem = not_a_key(name) if key is None else problem_with(key, value)
        if problem:
            raise ConfigError(f"{origin}: {name} {problem}.")
        self._values[name], self._origins[name] = value, origin

    def _add_free(self, section: str, parts: Any, path: Path) -> None:
        if not isinstance(parts, dict):
            raise ConfigError(f"{path}: {section} must be sections, like [{section}.NAME].")
        for name, keys in parts.items():
            if not NAME.fullmatch(name) or not isinstance(keys, dict):
                raise ConfigError(f"{path}: [{section}.NAME] is a section, its name of letters, digits, - and _.")
            self._free[section][name] = {**self._free[section].get(name, {}), **keys}


def _flat(document: dict[str, Any]) -> list[tuple[str, Any]]:
    """The keys with their sections, however deep these are nested."""
    pairs: list[tuple[str, Any]] = []
    waiting = [("", document)]
    while waiting:
        prefix, section = waiting.pop()
        if len(prefix) > MAX_NAME_LEN:
            pairs.append((prefix[:MAX_NAME_LEN] + "...", section))
            continue
        for name, value in section.items():
            if isinstance(value, dict) and (value or name in SECTIONS):  # another empty one is a mistake
                waiting.append((f"{prefix}{name}.", value))
            else:
                pairs.append((prefix + name, value))
    return pairs


def _read(key: Key, text: str) -> Value:
    """A value of the environment or the command line, which know text only; what does not fit is refused later."""
    if isinstance(key.default, str):
        return text
    if isinstance(key.default, list):
        return [each.strip() for each in text.split(",") if each.strip()]
    if isinstance(key.default, bool):
        return {"true": True, "false": False}.get(text, text)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
