"""What the device package takes on an emulated board: the heap that a tube needs.

    PYTHONPATH=tests:tests/dual .venv/bin/python benchmarks/boards.py [--target qemu-cortex-m3] [--json]

The firmware is what scripts/firmware.sh TARGET builds and `holdfast sim tube --tube TARGET` runs: the package frozen,
littlefs, a serial line. Heap is the smallest with which a tube starts, takes a token, and answers ten protected
requests, found by bisection to 256 bytes.
No board was measured.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from holdfast_core.provisioning import encode_provisioning
from holdfast_device.client import AceClient
from holdfast_device.endpoint import Endpoint
from holdfast_device.loop_shell import Loop
from holdfast_device.ticks_shell import Ticks
from holdfast_device.udp_shell import UdpLink, bind, resolve
from holdfast_sim.emulator_shell import FLASH_BLOCK_LEN, Board, BoardFailed, Bridge
from holdfast_sim.targets import TARGETS, Target
from testkit import mint
from testkit.story import AS_URI, TUBE, get, held, tube_provisioning

ROOT = Path(__file__).resolve().parents[1]
STEP = 256
LOW, HIGH = 8 * 1024, 192 * 1024
GETS = 10
ANSWER_S = 20


class Client:
    """A doctor on a real socket."""

    def __init__(self) -> None:
        self.ticks = Ticks()
        self.endpoint = Endpoint(os.urandom)
        self.client = AceClient(self.endpoint, os.urandom, AS_URI)
        self.sock = bind("127.0.0.1", 0)
        self.loop = Loop(self.endpoint, UdpLink(self.sock), self.ticks, has_clock=False)

    def run(self, steps: Any) -> Any:
        """Run a task to its end; raises what it raised."""
        ended: list[Any] = []
        self.endpoint.now_ms = self.ticks.now_ms()
        self.endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        end_s = time.monotonic() + ANSWER_S
        while not ended:
            self.loop.step(100)
            if time.monotonic() > end_s:
                raise TimeoutError
        value, error = ended[0]
        if error is not None:
            raise error
        return value


class Tube:
    """A tube on an emulated board, provisioned, with a bridge in front."""

    def __init__(self, target: Target, firmware: Path, folder: Path, heap: int) -> None:
        flash = folder / f"flash-{heap}"
        flash.write_bytes(b"\xff" * (target.flash_blocks * FLASH_BLOCK_LEN))
        self.board = Board(target, firmware, flash)
        told = tube_provisioning()
        told.time_floor_s = int(time.time()) - 60
        try:
            self.board.execute(f"import {target.board} as board\nboard.mount({str(flash)!r}, {target.flash_blocks})")
            self.board.execute(f"board.provision({encode_provisioning(told)!r})")
        except BoardFailed:
            self.board.close()
            raise
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.board.start(f"board.main('tube', {heap}, False)")
        bridge = Bridge(self.board, self.sock, lambda _line: None)
        self.thread = threading.Thread(target=self._carry, args=(bridge,), daemon=True)
        self.failed = ""
        self.thread.start()

    def _carry(self, bridge: Bridge) -> None:
        try:
            bridge.run()
        except (BoardFailed, OSError, ValueError) as failed:
            self.failed = str(failed)

    def close(self) -> None:
        """Cut the power."""
        self.board.close()
        self.thread.join(5)
        self.sock.close()


def works(target: Target, firmware: Path, heap: int) -> bool:
    """Whether the story passes on this heap."""
    with tempfile.TemporaryDirectory() as folder:
        client = Client()
        try:
            tube = Tube(target, firmware, Path(folder), heap)
        except BoardFailed:
            client.sock.close()
            return False
        try:
            peer = resolve(*tube.sock.getsockname())
            token = mint.nested(mint.claims(TUBE, "read_result", int(time.time())))
            session = client.run(client.client.open_session(peer, held(token, now_ms=client.ticks.now_ms())))
            for _ in range(GETS):
                if client.run(session.request(get("/result"))).payload != b"troponin negative":
                    return False
        except Exception:  # noqa: BLE001 - a board without memory fails in every way there is
            return False
        finally:
            tube.close()
            client.sock.close()
    return True


def smallest_heap(target: Target, firmware: Path) -> int:
    """By bisection; 0 when even all of the heap is too little."""
    low, high = LOW, HIGH
    if not works(target, firmware, high):
        return 0
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        print(f"\r  {firmware.parent.name}: between {low} and {high}   ", end="", file=sys.stderr, flush=True)
        if works(target, firmware, middle):
            high = middle
        else:
            low = middle
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    return high


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", choices=sorted(TARGETS), default="qemu-cortex-m3")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    target = TARGETS[args.target]
    rows = {}
    for variant in ("python", "native"):
        firmware = ROOT / target.firmware(variant)
        if not firmware.exists():
            sys.exit(f"boards: no firmware at {firmware}: run scripts/firmware.sh {args.target}")
        rows[variant] = smallest_heap(target, firmware)
    if args.json:
        print(json.dumps({"target": args.target, "smallest_heap": rows}, indent=2))
        return 0
    print(f"smallest heap of a tube on {target.mcu}, package frozen, one session, {GETS} requests:")
    for variant, heap in rows.items():
        print(f"  {variant:<8} {heap:>7} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
