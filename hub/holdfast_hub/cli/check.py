"""`holdfast hub check`: the configuration in force with the origin of each value, and all that a hub stands on.

It changes nothing. Secrets are named by file, and no value of one is ever shown.
"""

import os
import stat
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import EXIT_FAILED
from holdfast_core.terminal_shell import as_text, json_option, show, show_all
from holdfast_hub.cli.command import config_option, configured, problems, set_option, state_option
from holdfast_hub.process.as_link import KEY as AS_KEY
from holdfast_hub.process.as_link import AsLink
from holdfast_hub.process.clock import monotonic_ms
from holdfast_hub.process.config import Config, read_secret
from holdfast_hub.process.readings_out import broker_of, routes_in
from holdfast_hub.process.settings import KEYS, ConfigError
from holdfast_hub.process.south import load_devices, open_links

OTHERS = 0o077


@click.command()
@config_option
@state_option
@set_option
@json_option
def check(config: Path, state: Path | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Check the configuration and what it names, without running.

    Shows each value in force and where it comes from. Exit code 0: all is well; 1: something is not; 2: a file
    cannot be understood.
    """
    in_force = configured(config, state, sets)
    with problems():
        routes_in(in_force, [device.name for device in load_devices(in_force)])
        open_links(in_force, _nobody, _nobody, _nobody)
        broker_of(in_force)
        if in_force.text(AS_KEY):
            AsLink(in_force, monotonic_ms, lambda: None)
        rows = findings(in_force)
    values = [{"key": key.name, "value": in_force.values[key.name], "from": in_force.origins[key.name]} for key in KEYS]
    if as_json:
        show({"config": values, "checks": rows}, as_json=True)
    else:
        show_all([{**row, "value": as_text(row["value"])} for row in values], as_json=False, nothing="")
        click.echo()
        show_all(rows, as_json=False, nothing="")
    if not all(row["ok"] for row in rows):
        raise click.exceptions.Exit(EXIT_FAILED)


def _nobody(*_: object) -> None:
    """Stands for those who would be told, in a hub that runs."""


def findings(config: Config) -> list[dict[str, Any]]:
    """Return what was looked at, each with whether it is as it should be."""
    return [
        _finding("state directory", *_state(config.state)),
        _finding("broker password", *_secret(config, "broker.password_file")),
        _finding("broker certificates", *_readable(config, "broker.ca_file")),
    ]


def _finding(name: str, ok: bool, says: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "says": says}


def _state(path: Path) -> tuple[bool, str]:
    if not path.exists():
        return os.access(path.parent, os.W_OK), f"{path} is not there yet: `run` makes it"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        return False, f"{path} has mode {mode:o}, so others may look into it: chmod 700"
    if not os.access(path, os.W_OK | os.X_OK):
        return False, f"{path} cannot be written by this user: chown it to the one that runs the hub"
    return True, f"{path}, mode {mode:o}"


def _secret(config: Config, name: str) -> tuple[bool, str]:
    text = config.text(name)
    if not text:
        return True, "none"
    try:
        read_secret(name, text, config.path.parent)
    except ConfigError as error:
        return False, str(error)
    return True, f"in {text}"


def _readable(config: Config, name: str) -> tuple[bool, str]:
    text = config.text(name)
    if not text:
        return True, "none"
    path = config.path.parent / text
    return os.access(path, os.R_OK), f"{path}" if os.access(path, os.R_OK) else f"{path} cannot be read"
