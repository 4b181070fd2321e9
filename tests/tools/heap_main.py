"""Heap that the device package takes on MicroPython, in bytes: by import, a tube, a session, and sixteen sessions.

    MICROPYPATH=TREE:tests/dual:tests micropython -X heapsize=16M tests/tools/heap_main.py         one line of JSON
    MICROPYPATH=TREE:tests/dual:tests micropython -X heapsize=500K tests/tools/heap_main.py 1000   so many sessions

TREE: the package as .mpy (testkit/budgets.py).  All parties are in one process.  Bytes that the tube's turns leave
behind count as the tube's.  The second way opens sessions one after another on a heap with little to spare.  It ends
with an error when the heap breaks into pieces too small.
"""

import gc
import json
import sys


def alive():
    """Bytes in use after two collections: a finaliser of the first may let the second free more."""
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


before = alive()
from holdfast_device import board_shell  # noqa: E402, F401 - what it costs is the question

imported = alive() - before

from testkit import mint  # noqa: E402
from testkit.story import NOW_S, TUBE, Node, World, get, held  # noqa: E402

SESSIONS = 16


class Weighed(Node):
    """A tube on the link; left: bytes that its turns left behind, allocated: what its last turn took from the heap."""

    def __init__(self, inner):
        super().__init__(inner)
        self.left = 0
        self.allocated = 0
        self.turns = 0

    def feed(self, datagram, peer, now_ms):
        began = alive()
        taken = gc.mem_alloc()
        gc.disable()
        super().feed(datagram, peer, now_ms)
        self.allocated = gc.mem_alloc() - taken
        gc.enable()
        self.turns += 1
        self.left += alive() - began
        return ()


def session(world, token, number):
    name = f"doctor-{number}"
    client = world.client(name, seed=number + 1)
    opened = world.run(client.open_session("tube", held(token, key=b"osc-%d" % number, now_ms=world.now_ms)), name)
    assert world.run(opened.request(get("/result")), name).payload == b"negative"
    world.wait(1)
    return name, opened


def token_of(number):
    return mint.nested(mint.claims(TUBE, "read_result", NOW_S, key=b"osc-%d" % number, life_s=10000000))


def weigh():
    world = World()
    world.provisionings["tube"].max_sessions = SESSIONS
    began = alive()
    device = world.boot_tube()
    figures = {"import": imported, "tube": alive() - began}
    tokens = [token_of(number) for number in range(SESSIONS)]
    world.link.add("tube", Weighed(device))
    tube = world.link.endpoints["tube"]
    name, opened = session(world, tokens[0], 0)
    figures["session"] = tube.left
    taken = []
    for _ in range(60):
        world.run(opened.request(get("/result")), name)
        taken.append(tube.allocated)
    figures["get"], figures["get_later"] = max(taken[5:30]), max(taken[35:])
    for number in range(1, SESSIONS):
        session(world, tokens[number], number)
    figures["sessions_16"] = tube.left
    assert len(list(device.rs.rights.sessions.all())) == SESSIONS
    return figures


def many(count):
    """Open one session after another, of three keys in turn, so that old sessions end and new ones begin."""
    world = World()
    world.boot_tube()
    tokens = [token_of(number) for number in range(3)]
    for number in range(count):
        session(world, tokens[number % 3], number % 3)
        world.link.log.clear()
        for events in world.link.events.values():
            events.clear()
    return {"sessions": count, "free": gc.mem_free()}


print(json.dumps(many(int(sys.argv[1])) if len(sys.argv) > 1 else weigh()))
