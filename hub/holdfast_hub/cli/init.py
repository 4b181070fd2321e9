"""`holdfast hub init`: the files of a new hub, with every key explained."""

import os
from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.terminal_shell import json_option, show, write_private
from holdfast_hub.cli.command import config_option, problems
from holdfast_hub.process.config import load
from holdfast_hub.process.settings import BY_NAME, Value, problem_with
from holdfast_hub.process.templates import devices_toml, hub_toml

CONFIG_MODE, DEVICES_MODE, STATE_MODE = 0o640, 0o640, 0o700


@click.command()
@config_option
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(str(BY_NAME["state"].default)),
    show_default=True,
    help="Where the spool is kept.",
)
@click.option("--name", default="hub", show_default=True, help="What the hub calls itself.")
@click.option(
    "--coap", default="127.0.0.1:5683", show_default=True, help="Where to serve clients; 0.0.0.0 is everywhere."
)
@click.option(
    "--health", default="127.0.0.1:9683", show_default=True, help='Where to serve /readyz and /metrics; "" for none.'
)
@json_option
def init(config: Path, state: Path, name: str, coap: str, health: str, as_json: bool) -> None:
    """Make a new hub. Its hub.toml, its devices.toml and its state directory."""
    said: dict[str, Value] = {"name": name, "state": str(state.absolute()), "coap.bind": [coap], "health.bind": health}
    for key, option in (("name", "--name"), ("coap.bind", "--coap"), ("health.bind", "--health")):
        if wrong := problem_with(BY_NAME[key], said[key]):
            raise Problem(f"{option} {wrong.replace('a list of which each is ', '')}.")
    devices = config.parent / "devices.toml"
    for path in (config, devices):
        if path.exists():
            raise Problem(f"{path} exists: here is a hub already.")
    with problems():
        config.parent.mkdir(parents=True, exist_ok=True)
        state.mkdir(mode=STATE_MODE, parents=True, exist_ok=True)
        if state.stat().st_uid == os.geteuid():
            state.chmod(STATE_MODE)
        (config.parent / "conf.d").mkdir(exist_ok=True)
        write_private(config, hub_toml(said).encode(), force=False, mode=CONFIG_MODE)
        write_private(devices, devices_toml().encode(), force=False, mode=DEVICES_MODE)
        load(config, environment={})
    if as_json:
        show({"config": str(config), "devices": str(devices), "state": str(state)}, as_json=True)
        return
    click.echo(f"""Made {config.parent}/
  {config.name}      its configuration, to read and change
  devices.toml  the devices behind it; it has none yet
and {state}/, where what waits is kept.

Next:
  edit {devices}
  holdfast hub check --config {config}
  holdfast hub run --config {config}""")
