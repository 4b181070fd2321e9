"""A tube on an emulated board, provisioned, with a UDP bridge in front; a doctor on a real socket; and a probe.

The probe is code that a test hands to the board over its serial line. It wraps Device.feed.  It says of each datagram
how many instructions it took and what it left on the heap.  QEMU counts instructions (-icount), so they are those of
the processor, and no measure of time.
"""

import json
import socket
import tempfile
import threading
import time
from pathlib import Path

from holdfast_core.provisioning import encode_provisioning
from holdfast_device.udp_shell import resolve
from holdfast_sim.emulator_shell import FLASH_BLOCK_LEN, Board, BoardFailed, Bridge
from testkit import mint
from testkit.doctor import Doctor
from testkit.story import TUBE, get, held, tube_provisioning

ANSWER_S = 20
ANSWER = b"troponin negative"

IMPORT = """
import gc
gc.collect()
before = gc.mem_alloc()
import {board} as board, tube
gc.collect()
imported = gc.mem_alloc() - before
"""
PROBE = """
import emulated, json
from holdfast_device import bundle
feed, verify = bundle.Device.feed, bundle.verify_token
took = [0]
def instructions(ticks):
    return (ticks & 0xffffffff) * 1000 // (emulated.HZ // 1000000)
def timed_verify(*args):
    began = emulated.ticks()
    try:
        return verify(*args)
    finally:
        took[0] = emulated.ticks() - began
def timed_feed(self, datagram, peer, now_ms):
    gc.collect()
    if b"authz-info" not in datagram:
        gc.disable()
    took[0] = 0
    alive, began = gc.mem_alloc(), emulated.ticks()
    taken_in = feed(self, datagram, peer, now_ms)
    ended, taken = emulated.ticks(), gc.mem_alloc() - alive
    gc.enable()
    gc.collect()
    print(json.dumps({"probe": [
        instructions(ended - began), instructions(took[0]), taken, alive - before, gc.mem_alloc() - before, imported
    ]}))
    return taken_in
bundle.verify_token, bundle.Device.feed = timed_verify, timed_feed
gc.collect()
before += gc.mem_alloc() - before - imported
"""
SERVE = "board.run(*board.parts('tube', False))"


class Turn:
    """What one datagram at the tube cost, in bytes and instructions.

    instructions: in all; check: those in the token check; allocated: bytes, of requests in a session;
    before, after: bytes alive over an interpreter without the package; imported: of these, what import alone took.
    """

    def __init__(self, said):
        self.instructions, self.check, self.allocated, self.before, self.after, self.imported = said


class Counted:
    """A target whose QEMU counts instructions: one is a nanosecond of the board's time.  more: arguments of QEMU."""

    def __init__(self, target, count="shift=0", more=()):
        self._target = target
        self._more = ("-icount", count, *more)

    def __getattr__(self, name):
        return getattr(self._target, name)

    def command(self, firmware, flash):
        return [*self._target.command(firmware, flash), *self._more]


def blank_chip(target, folder):
    """Return the file of a flash chip that holds nothing yet."""
    chip = Path(folder) / "flash"
    chip.write_bytes(b"\xff" * (target.flash_blocks * FLASH_BLOCK_LEN))
    return chip


def mount(board, target, chip):
    """Mount the chip on a board that has imported its module as `board`."""
    board.execute(f"board.mount({str(chip)!r}, {target.flash_blocks})")


def provision(board, target, chip, max_sessions=8):
    """Mount the chip, and provision the board as a tube at the present time."""
    provisioning = tube_provisioning()
    provisioning.time_floor_s = int(time.time()) - 60
    provisioning.max_sessions = max_sessions
    mount(board, target, chip)
    board.execute(f"board.provision({encode_provisioning(provisioning)!r})")


def provision_earlier(target, firmware, chip):
    """Provision in an earlier run of the board, as users do: the heap of the next run holds nothing of it."""
    board = Board(target, firmware, chip)
    try:
        board.execute(f"import {target.board} as board")
        provision(board, target, chip)
    finally:
        board.close()


class TubeDoctor(Doctor):
    """A doctor who reads tubes on emulated boards, each from an address of their own."""

    def __init__(self, host="127.0.0.1"):
        super().__init__(host, ANSWER_S)

    def open(self, tube, key=b"osc-1"):
        """Post a token for this key; returns the session."""
        token = mint.nested(mint.claims(TUBE, "read_result", int(time.time()), key=key))
        peer = resolve(*tube.sock.getsockname())
        return self.run(self.client.open_session(peer, held(token, key=key, now_ms=self.now_ms())))

    def result(self, session):
        """Return what a protected request brings."""
        return self.run(session.request(get("/result"))).payload


class EmulatedTube:
    """heap: leave it so many bytes, 0 for all; probe: count, and say so in `probes`; max_sessions: of the tube; serve:
    what it runs at last.

    Each of probes, one for each datagram, is a Turn.
    """

    def __init__(self, target, firmware, heap=0, probe=False, max_sessions=8, serve=SERVE):
        self.folder = tempfile.TemporaryDirectory()
        flash = blank_chip(target, self.folder.name)
        if heap:
            provision_earlier(target, firmware, flash)
        self.board = Board(Counted(target) if probe else target, firmware, flash)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.probes, self.failed = [], ""
        try:
            if heap:  # first of all, so that what is imported has no more room than that
                self.board.execute(
                    f"import gc\ngc.collect()\ntaken = bytearray(gc.mem_alloc() + gc.mem_free() - {heap})"
                )
            self.board.execute(IMPORT.format(board=target.board))
            if heap:
                mount(self.board, target, flash)
            else:
                provision(self.board, target, flash, max_sessions)
            if probe:
                self.board.execute(PROBE)
        except BoardFailed:
            self.close()
            raise
        self.board.start(serve)
        bridge = Bridge(self.board, self.sock, self._told)
        self.thread = threading.Thread(target=self._carry, args=(bridge,), daemon=True)
        self.thread.start()

    def _told(self, line):
        if line.startswith('{"probe"'):
            self.probes.append(Turn(json.loads(line)["probe"]))
        elif line.startswith('{"lost"'):
            self.failed = line

    def _carry(self, bridge):
        try:
            bridge.run()
        except (BoardFailed, OSError, ValueError) as failed:
            self.failed = str(failed)

    def close(self):
        """Cut the power."""
        self.board.cut()
        if hasattr(self, "thread"):
            self.thread.join(5)
        self.board.close()
        self.sock.close()
        self.folder.cleanup()


def works(target, firmware, heap, gets=10):
    """Return whether the story passes on this heap: a start, a token, protected requests."""
    try:
        tube = EmulatedTube(target, firmware, heap)
    except BoardFailed:
        return False
    doctor = TubeDoctor()
    try:
        session = doctor.open(tube)
        answers = [doctor.result(session) for _ in range(gets)]
        return answers == [ANSWER] * gets and not tube.failed  # asking again may help, and is not the story
    except Exception:  # noqa: BLE001 - a board without memory fails in every way there is
        return False
    finally:
        doctor.close()
        tube.close()
