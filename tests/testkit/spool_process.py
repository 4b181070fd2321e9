"""A hub's process as far as its spool goes, to be killed: a producer and a taker, and a line for each promise.

spool_process.py STATE FIRST [EARLY]: ids count on from FIRST; some are asked for twice, as after a crash of theirs.
On standard output: "kept N" when the producer was told so, "arrived N" before the spool is told of a delivery,
"delivered N" after. EARLY: a mistake, the producer is told before the commit.
"""

import queue
import sys
import time
from pathlib import Path

from holdfast_hub.ports import DUPLICATE, KEPT
from holdfast_hub.records import READING, Now, Parcel
from holdfast_hub.spool import rows
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.store import SqliteSpool

AHEAD = 40
"""So many puts wait for their commit at most."""


def now():
    return Now(time.monotonic_ns() // 1_000_000, None)


def main(state, first, early=""):
    rows.GONE_IN_BOX = 10**6  # so that every id can be asked for at the end
    reports = queue.SimpleQueue()
    spool = SqliteSpool(Path(state), now(), reports.put, Bounds(keep_free_len=0), group=16, gather_s=0.001)
    asked, under_way, lent = int(first), 0, False

    def say(*words):
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()

    def put(number):
        nonlocal under_way
        under_way += 1
        if early:
            say("kept", number)

        def done(answer):
            nonlocal under_way
            under_way -= 1
            assert answer in {KEPT, DUPLICATE}, answer
            say("kept", number)

        spool.put(Parcel("tube", b"%d" % number, READING, bytes(256)), now(), done)

    def taken(parcels):
        nonlocal lent
        for parcel in parcels:
            say("arrived", parcel.id.decode())

        def done(is_kept):
            nonlocal lent
            lent = False
            assert is_kept
            for parcel in parcels:
                say("delivered", parcel.id.decode())

        spool.delivered(parcels, done)

    while True:
        while under_way < AHEAD:
            put(asked)
            if asked > int(first) and asked % 3 == 0:
                put(asked - 1)  # again
            asked += 1
        if not lent:
            lent = True
            spool.take("tube", 20, now(), taken)
        reports.get()()


if __name__ == "__main__":
    main(*sys.argv[1:])
