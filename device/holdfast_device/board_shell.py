"""Run a device on a board: what its main.py calls.  Everything that it needs is in one directory of the file system.

    provisioning        what the device was told; the provisioning writes it once
    state.0, state.1    what it remembers over a power cut (state.py)

The board's own parts come from main.py: the link, the generator of randomness, the application.  Prints one line of
JSON when it serves and another when it cannot, or has lost something for want of memory; never a secret.  A board that
served and has no memory left starts anew.  Examples: device/examples.
"""

import gc
import json
import sys
import time

try:
    from machine import reset  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    reset = None  # type: ignore[assignment, unused-ignore]

from holdfast_core import errors
from holdfast_core.crypto import PROVIDER
from holdfast_core.errors import HoldfastError, LocalError
from holdfast_core.token_check import PATH
from holdfast_device.device import Device
from holdfast_device.loop_shell import Loop, limits_of
from holdfast_device.store_flash import FileFlash
from holdfast_device.ticks_shell import Ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.coap_limits import Limits
    from holdfast_core.provisioning import Provisioning
    from holdfast_device.loop_shell import Link

    Setup = Callable[[Device, Any], None]

DIRECTORY = "/holdfast"
PROVISIONING_NAME = "provisioning"
OLD = ".old"  # behind it, while another one takes its place on a file system that cannot rename over a file
# Before a reset for want of memory: each start writes to the flash, and 3 million in a year do not wear it out.
RESET_PAUSE_S = 10
# With less heap than that left, garbage goes after each answer: what lives long then lies together, and not in between.
SMALL_HEAP_LEN = 32 * 1024
# What only a start needs, and a board loads anew at the next one.
STARTS_WITH = ("holdfast_core.provisioning", "holdfast_core.p256_table")


class CannotRun(LocalError):
    """Something that the device needs is not there or not as it must be."""

    reason = "cannot run"


def run(
    setup: "Setup",
    link: "Link",
    board_rng: "Callable[[int], bytes] | None",
    options: object = None,
    directory: str = DIRECTORY,
    has_clock: bool = False,
    peer_text: "Callable[[Any], str] | None" = None,
) -> None:
    """Serve until the power goes, or until something is wrong: then one line says what.

    A request for which there is too little memory is lost; when each one is, the board is reset.
    setup(device, options) adds resources and tasks.  has_clock: whether the board's time may be believed.
    peer_text: how to write an address; with it, each datagram is one line of JSON.
    """
    serves = False
    try:
        gc.collect()  # what lives long moves together: what importing and starting left goes first
        ticks = Ticks()
        device, as_peer = _start(directory, board_rng, ticks.now_ms(), peer_text, limits_of(link))
        set_up(setup, device, options)
        if as_peer is not None:
            from holdfast_device.named_shell import named

            link = named(link, [as_peer], ticks.now_ms, write)
        announce(0)
        serves = True
        gc.collect()
        Loop(device, link, ticks, has_clock, _lost, gc.collect if _is_small() else None).run()
    except MemoryError:
        write('{"error": "out of memory"}\n')
        if serves:  # else it would be no better the next time
            _reset()
    except (HoldfastError, OSError) as error:
        write(json.dumps({"error": str(error)}) + "\n")


def _start(
    directory: str,
    board_rng: "Callable[[int], bytes] | None",
    now_ms: int,
    peer_text: "Callable[[Any], str] | None",
    limits: "Limits",
) -> "tuple[Device, tuple[str, int] | None]":
    """Make the device; returns it and where its AS is.  The provisioning record goes when this returns."""
    provisioning = read_provisioning(directory + "/" + PROVISIONING_NAME)
    trace = None
    if peer_text is not None:
        from holdfast_core.trace import tracer

        trace = tracer(name_of(provisioning), write, peer_text)
    device = Device(provisioning, FileFlash(directory), board_rng, now_ms, limits=limits, trace=trace)
    forget(STARTS_WITH)
    return device, provisioning.as_peer


def set_up(setup: "Callable[[Device, Any], object]", device: Device, options: object) -> None:
    """Call the program's setup().  Raises CannotRun with the place in the program where it fails."""
    device.endpoint.bug = show_bug
    try:
        setup(device, options)
    except (HoldfastError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a program may fail in any way
        from holdfast_device.bugs_shell import described

        raise CannotRun(described(error)) from None


def show_bug(error: Exception) -> None:
    """Print where the program has failed: {"bug": "ValueError", "file": "main.py", "line": 12}."""
    try:
        from holdfast_device.bugs_shell import line_of

        write(line_of(error))
    except MemoryError:
        return


def forget(names: "tuple[str, ...]") -> None:
    """Unload these modules of ours, on MicroPython: their functions and classes are heap."""
    if sys.implementation.name != "micropython":
        return
    for name in names:
        package, module = name.split(".")
        if name in sys.modules:
            del sys.modules[name]
            delattr(sys.modules[package], module)


def _is_small() -> bool:
    return hasattr(gc, "mem_free") and gc.mem_free() < SMALL_HEAP_LEN


def read_provisioning(path: str) -> "Provisioning":
    """Return the provisioning in a file.  Raises CannotRun."""
    from holdfast_core.provisioning import decode_provisioning

    try:
        try:
            record = _read(path)
        except OSError:
            record = _read(path + OLD)
        return decode_provisioning(record)
    except errors.MalformedProvisioning as error:
        raise CannotRun(path + " is no provisioning file (" + str(error) + ")")
    except OSError:
        raise CannotRun(path + " cannot be read: provision the device")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _lost() -> None:
    write('{"lost": "out of memory"}\n')


def _reset() -> None:
    """Start the board anew, where it is one, without a byte of memory: what the device remembers is on the flash."""
    if reset is not None:
        time.sleep(RESET_PAUSE_S)
        reset()


def name_of(provisioning: "Provisioning") -> str:
    """Return what a device calls itself in traces."""
    return provisioning.client_id or "device" if provisioning.rs is None else provisioning.rs.audiences[0]


def announce(port: int) -> None:
    """Print the line that says that the device serves, whose primitives it uses, and who checks its tokens."""
    write(json.dumps({"ready": port, "crypto": PROVIDER, "tokens": PATH}) + "\n")


def write(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
