"""A spool that is used for a while, in a process of its own whose writes are logged; says what it was told was kept.

spool_story.py STATE SAID [MISTAKE]: SAID is a file that gets a line for each promise: kept ID, delivered ID, begun ID.
MISTAKE: normal or off, a weaker PRAGMA synchronous; early, an answer before the commit; failing, the disk's.
"""

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from holdfast_hub.spool import database
from holdfast_hub.spool.errors import SpoolFailed
from testkit.spool import played

STEPS = 22
BOX, OTHER = "tube", "@out"


def main(state, said, mistake=""):
    database.WAL_PAGES = 12  # many checkpoints in a short story
    database.WAL_LEN = 1 << 16
    fd = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    source = random.Random(12)
    with played(state) as spool:
        weaken(spool, mistake)
        for step in range(STEPS):
            play(spool, source, step, lambda line: os.write(fd, line.encode() + b"\n"), mistake)
            if step in {STEPS // 3, STEPS // 2}:
                start_again(spool, is_clean=step == STEPS // 3, mistake=mistake)
                weaken(spool, mistake)


def start_again(spool, *, is_clean, mistake):
    if is_clean:
        spool.spool.close()
    else:
        spool.die()
    while True:
        try:
            return spool.open()
        except SpoolFailed:  # a service manager starts it again
            assert mistake == "failing"


def weaken(spool, mistake):
    if mistake in {"normal", "off"}:
        spool.spool._connection.execute(f"PRAGMA synchronous = {mistake}")


def play(spool, source, step, say, mistake):
    box = source.choice((BOX, OTHER))
    ids = [b"%d-%d" % (step, number) for number in range(source.randrange(1, 8))]
    for id_ in ids:
        say(f"begun {box} {id_.decode()}")
        if mistake == "early":
            say(f"kept {box} {id_.decode()}")
    bodies = [source.randbytes(source.choice((10, 300, 3000))) for _ in ids]
    answers = spool.put_all(ids, bodies, box=box, lives_ms=source.choice((None, 10**7)))
    assert set(answers) == {"kept"} or mistake == "failing"
    for id_, answer in zip(ids, answers, strict=True):
        say(f"{answer} {box} {id_.decode()}")
    if source.random() < 0.6:
        parcels = spool.take(source.randrange(1, 12), box=box)
        back = [parcel for parcel in parcels if source.random() < 0.3]
        arrived = [parcel for parcel in parcels if parcel not in back]
        for parcel in arrived:
            say(f"arrived {box} {parcel.id.decode()}")
        is_noted = spool.delivered(*arrived)
        assert is_noted or mistake == "failing"
        for parcel in arrived if is_noted else []:
            say(f"delivered {box} {parcel.id.decode()}")
        spool.give_back(*back, blame=False)
    spool.wait(source.choice((0, 1, 20)))
    spool.tick()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
