"""Run a device as a program, on CPython and on MicroPython: files, socket and clock around holdfast_device.Device.

    python -m holdfast_deploy.run_shell PROVISIONING [options]
    micropython device/holdfast_deploy/run_shell.py PROVISIONING [options]      with MICROPYPATH=native:device

    --host H --port N     where to listen (127.0.0.1 5683; port 0 takes a free one on CPython)
    --state DIR           where to remember (PROVISIONING with .state behind it)
    --peer AUDIENCE=H:N   where the application finds another resource server; an address of IPv6 as [H]:N
    --recheck S           ask the AS about a reference token again after so many seconds (60)
    --no-clock            do not believe the system's time
    --trace               one JSON line for each datagram on standard output

Prints {"ready": PORT, "crypto": WHOSE} when bound.  An application is a file of a few lines: device/examples.
Never prints a secret.
"""

import os
import sys

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.errors import HoldfastError, LocalError
from holdfast_core.trace import tracer
from holdfast_device.board_shell import (
    CannotRun,
    announce,
    name_of,
    read_provisioning,
    set_up,
    write,
)
from holdfast_device.device import Device
from holdfast_device.loop_shell import Loop
from holdfast_device.named_shell import named
from holdfast_device.store_flash import FileFlash
from holdfast_device.ticks_shell import Ticks
from holdfast_device.udp_shell import listen, peer_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.coap_message import Message
    from holdfast_core.provisioning import Provisioning
    from holdfast_deploy.place_shell import Place

    Setup = Callable[[Device, "Options"], None]

DEFAULT_PORT = 5683
USAGE = "PROVISIONING [--host H] [--port N] [--state DIR] [--peer AUDIENCE=H:N] [--recheck S] [--no-clock] [--trace]"


class BadArgument(LocalError):
    """The command line is wrong."""

    reason = "command line"


class Options:
    """How a device runs as a program.

    file: its provisioning; state: the directory where it remembers, by default the file's name with .state behind it;
    host and port: where it listens; peers: audience -> (host, port); recheck_ms: None leaves it as it is.
    """

    __slots__ = ("clock", "file", "host", "peers", "port", "recheck_ms", "state", "trace")

    def __init__(
        self,
        file: str,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        state: str = "",
        recheck_ms: int | None = None,
        trace: bool = False,
        clock: bool = True,
        peers: "dict[str, Any] | None" = None,
    ) -> None:
        self.file = file
        self.host = host
        self.port = port
        self.state = state or file + ".state"
        self.recheck_ms = recheck_ms
        self.trace = trace
        self.clock = clock
        self.peers: dict[str, Any] = {} if peers is None else peers

    def peer(self, audience: str) -> "Any":
        """Return where an RS is.  Raises BadArgument when the command line does not say."""
        if audience not in self.peers:
            raise BadArgument(f"--peer {audience}=HOST:PORT is needed")
        return self.peers[audience]


def parse(argv: "list[str]") -> Options:
    """Read a command line.  Raises BadArgument with what is wrong."""
    options: dict[str, Any] = {"peers": {}}
    rest = list(argv)
    while rest:
        _take(options, rest.pop(0), rest)
    if "file" not in options:
        raise BadArgument(USAGE)
    return Options(**options)


def _take(options: "dict[str, Any]", argument: str, rest: "list[str]") -> None:
    if argument == "--trace":
        options["trace"] = True
    elif argument == "--no-clock":
        options["clock"] = False
    elif argument in ("--host", "--port", "--state", "--peer", "--recheck") and rest:
        value = rest.pop(0)
        if argument == "--peer":
            audience, address = peer_of(value)
            options["peers"][audience] = address
        elif argument == "--port":
            options["port"] = _number(value, "not a port: ", 0, 65535)
        elif argument == "--recheck":
            options["recheck_ms"] = _number(value, "not a number of seconds: ", 1, 86400) * 1000
        else:
            options[argument[2:]] = value
    elif argument.startswith("-") or "file" in options:
        raise BadArgument("unknown or incomplete: " + argument)
    else:
        options["file"] = argument


def peer_of(text: str) -> "tuple[str, tuple[str, int]]":
    """Read AUDIENCE=HOST:PORT, IPv6 in brackets; returns (audience, (host, port)).  Raises BadArgument."""
    audience, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    bare = host.startswith("[") == (":" in host)
    digits = all("0" <= digit <= "9" for digit in port)  # int() takes more
    if not (audience and host and bare and port and digits and int(port) <= 65535):
        raise BadArgument(f'--peer must look like "tube=192.0.2.1:5683" or "tube=[2001:db8::1]:5683", not "{text}"')
    return audience, (host.strip("[]"), int(port))


def _number(text: str, wrong: str, low: int, high: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise BadArgument(wrong + text) from None
    if not low <= number <= high:
        raise BadArgument(wrong + text)
    return number


def main(setup: "Setup | None" = None) -> None:
    """Run what the command line says.  A mistake in it is one line, and exit code 2."""
    try:
        options = parse(sys.argv[1:])
    except BadArgument as error:
        _end(error)
    else:
        run(options, setup)


def run(options: Options, setup: "Setup | None" = None) -> None:
    """Run until the process ends.  setup(device, options) adds resources and tasks; an error is one line and code 2."""
    try:
        _serve(options, setup)
    except KeyboardInterrupt:
        return
    except (HoldfastError, OSError) as error:
        _end(error)


def _end(error: Exception) -> None:
    sys.stderr.write("Error: " + _described(error) + ".\n")
    sys.exit(2)


def _serve(options: Options, setup: "Setup | None") -> None:
    """Read, bind, say that it is ready, serve."""
    provisioning = read_provisioning(options.file)
    _make_directory(options.state)
    place = _place(options.state)
    ticks = Ticks()
    trace = tracer(name_of(provisioning), write, peer_text) if options.trace else None
    flash = FileFlash(options.state) if place is None else place.flash
    copied = place is not None and place.is_copy
    rng = getattr(os, "urandom", None)
    device = Device(provisioning, flash, rng, ticks.now_ms(), trace=trace, copied=copied)
    if place is not None:
        place.take()
    if device.rs is not None and options.recheck_ms is not None:
        device.rs.rights.recheck_ms = options.recheck_ms
    if setup is None:
        serve_scopes(device, provisioning)
    else:
        set_up(setup, device, options)
    try:
        link = listen(options.host, options.port)
    except OSError as error:
        raise CannotRun(options.host + " port " + str(options.port) + ": " + _described(error))
    names = list(options.peers.values()) + ([] if provisioning.as_peer is None else [provisioning.as_peer])
    announce(_port_of(link.sock, options.port))
    Loop(device, named(link, names, ticks.now_ms, write), ticks, options.clock).run()
    del place


def _described(error: Exception) -> str:
    """What went wrong, as a person reads it; MicroPython knows a number only."""
    reason = getattr(error, "strerror", None)
    if not reason:
        return str(error)
    name = getattr(error, "filename", None)
    return str(reason) if name is None else str(name) + ": " + str(reason)


def _port_of(sock: "Any", asked: int) -> int:
    if hasattr(sock, "getsockname"):
        port: int = sock.getsockname()[1]
        return port
    if not asked:
        raise BadArgument("--port 0 needs a system that tells which one it took")
    return asked


def serve_scopes(device: Device, provisioning: "Provisioning") -> None:
    """Serve every path of the provisioned scopes with its own name, so that a device can be tried without a program."""
    if provisioning.rs is None or device.rs is None:
        return

    def changed(_request: object) -> "Message":
        return response(L.CODE_CHANGED)

    for entries in provisioning.rs.scopes.values():
        for path, _methods in entries:
            device.rs.resource(path, get=_named(path.encode()), put=changed, post=changed)


def _named(text: bytes) -> "Callable[[object], Message]":
    return lambda _request: response(L.CODE_CONTENT, text, L.CF_TEXT_PLAIN)


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError:
        os.stat(path)  # it is there, or this says why not


def _place(directory: str) -> "Place | None":
    """Hold the state directory alone where the system can lock, and say when it is a copy.

    MicroPython has no file locks; there a device is one program anyway.
    """
    try:
        from holdfast_deploy.place_shell import Place
    except ImportError:
        return None
    place = Place(directory)
    if place.is_copy:
        sys.stderr.write("note: the state in " + directory + " was copied or put back; what it allowed is void\n")
    return place


if __name__ == "__main__":
    main()
