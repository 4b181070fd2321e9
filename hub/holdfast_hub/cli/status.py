"""`holdfast hub status`, `devices` and `drain`: what a hub that runs says of itself, over the socket in its state."""

import json
import socket
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import EXIT_FAILED, EXIT_UNREACHABLE, Failed
from holdfast_core.terminal_shell import json_option, show, show_all
from holdfast_hub.cli.command import in_state, problems
from holdfast_hub.process.http import reachable
from holdfast_hub.process.run import CONTROL
from holdfast_hub.spool.overview import Overview

WITHIN_S = 10.0
MAX_ANSWER_LEN = 16 << 20


class Silent(Failed):
    """No hub answers: exit code 3."""

    exit_code = EXIT_UNREACHABLE


@click.command()
@click.option("--health", is_flag=True, help="Ask only whether the hub can do its work; for containers and scripts.")
@in_state
@json_option
def status(health: bool, state: Path, as_json: bool) -> None:
    """Show how the hub is that runs here. Links, spool, broker, clock.

    Exit code 0: it can do its work; 1: it cannot, and why; 3: no hub runs in this state directory.
    """
    code, body = ask(state, "GET", "/readyz")
    ready = json.loads(body)
    if health:
        show(ready, as_json=as_json)
    else:
        told = json.loads(ask(state, "GET", "/status")[1])
        told.pop("devices")
        show({**ready, **told}, as_json=as_json)
    if code != 200:
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command()
@in_state
@json_option
def devices(state: Path, as_json: bool) -> None:
    """List the devices behind the hub that runs here. Name, link, whether it is there, what waits."""
    told: list[dict[str, Any]] = json.loads(ask(state, "GET", "/status")[1])["devices"]
    with problems(), Overview(state) as seen:
        waits = {row["box"]: row["count"] for row in seen.boxes()}
    told = [{**row, "waits": waits.get(row["name"], 0)} for row in told]
    show_all(told, as_json=as_json, nothing="No devices: devices.toml has none.")


@click.command()
@in_state
@json_option
def drain(state: Path, as_json: bool) -> None:
    """Let the hub that runs here finish what is under way, take nothing new, and stop."""
    code, body = ask(state, "POST", "/drain")
    if code != 200:
        raise Failed("The hub does not stop now.")
    show(json.loads(body), as_json=as_json)


def ask(state: Path, method: str, path: str) -> tuple[int, bytes]:
    """Ask the hub of a state directory. Returns (status, body). Raises Silent."""
    control = state / CONTROL
    answer = b""
    try:
        with problems(), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(WITHIN_S)
            with reachable(control) as name:
                asked.connect(name)
            asked.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while len(answer) < MAX_ANSWER_LEN and (more := asked.recv(65536)):
                answer += more
    except click.ClickException:
        answer = b""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise Silent(f"No hub answers in {state}: start one with `holdfast hub run`, or name its --state.")
    return int(words[1]), body
