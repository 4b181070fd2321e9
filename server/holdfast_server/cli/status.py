"""`holdfast server status`: whether the server of a state directory answers, and whether it can issue tokens.

For the health check of a container, and for a person. It opens neither the database nor a key.
"""

import contextlib
import http.client
import ssl
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE
from holdfast_core.terminal_shell import json_option, show
from holdfast_server.cli.command import problems, state_option
from holdfast_server.process.config import Bind, Config, load

PATIENCE_S = 5
MAX_REASON_LEN = 200


@click.command()
@state_option
@json_option
def status(state: Path, as_json: bool) -> None:
    """Say whether the server answers and can issue tokens.

    Exit code 0: it can. 1: it answers and says why it cannot. 3: nothing answers.
    """
    with problems():
        config = load(state)
    said = readiness(config)
    show({"http": str(config.http), **said}, as_json=as_json)
    code = EXIT_DONE if said["ready"] else EXIT_FAILED if said["answers"] else EXIT_UNREACHABLE
    raise click.exceptions.Exit(code)


def readiness(config: Config) -> dict[str, Any]:
    """Ask /readyz of the running server: answers, ready, and why it is not."""
    connection = _connection(config.http, tls=config.certificate is not None)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            said = answer.read(MAX_REASON_LEN).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            return {"answers": False, "ready": False, "why": "nothing answers there as a server does"}
    ready = answer.status == http.client.OK
    return {"answers": True, "ready": ready, "why": "" if ready else said if said.isprintable() else ""}


def _connection(bind: Bind, *, tls: bool) -> http.client.HTTPConnection:
    loopback = "::1" if ":" in bind.host else "127.0.0.1"
    host = loopback if bind.unspecified else bind.host
    if not tls:
        return http.client.HTTPConnection(host, bind.port, timeout=PATIENCE_S)
    # The certificate is for other names than this address, and nothing secret is asked or told.
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, bind.port, timeout=PATIENCE_S, context=anybody)
