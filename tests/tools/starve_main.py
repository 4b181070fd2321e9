"""Repeat one operation on a tube that has a little more memory each time and still too little, on MicroPython.

    micropython starve_main.py OPERATION PATIENCE FIRST LAST STEP [PLANT]

For each ROOM of the range, OPERATION is done once while the tube has ROOM bytes of heap, without collection, so that
each of its allocations is, in some turn, the first that fails.  There is memory again after PATIENCE failures.  It is
the same tube all the time, and real clients go on using it.  Prints JSON: turns, failures, and the faults that were
found, which must be none.  PLANT names a mistake to make on purpose.  Used by tests/device/test_out_of_memory.py.
"""

import gc
import json
import sys

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.errors import HoldfastError
from holdfast_device import authz_info, exi, rights, sessions
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import Endpoint, RequestFailed
from testkit import mint
from testkit.starved import Story, watch_over
from testkit.story import get, held

KEYS = (b"osc-1", b"osc-2", b"osc-3")


def op_get(story, room):
    story.starved(room)
    story.ask(KEYS[0])


def op_put_big(story, room):
    """A body in blocks; the last of them in a full heap."""
    message = request(L.CODE_PUT, "/calibration", bytes(1500))
    blocks = [0]

    def tap(sender, receiver, datagram):
        if receiver == "tube":
            blocks[0] += 1
            if blocks[0] == 2:
                story.starved(room)
        return [datagram]

    story.world.link.tap = tap
    story.ask(KEYS[0], message)
    story.world.link.tap = None


def op_post(story, room):
    story.starved(room)
    story.post(KEYS[1])


def op_accept(story, room):
    """A token with a countdown, verified."""
    story.sequence += 1
    story.starved_later(room)
    story.post(KEYS[1], exi=5000, cti=b"tube" + story.sequence.to_bytes(8, "big"), exp=None)


def op_bind(story, room):
    """The first request of a session, which ends the session before it of the same key."""
    if story.post(KEYS[0]) is None:
        return story.wrong.append("no session without shortage")
    story.starved(room)
    return story.ask(KEYS[0])


def op_observe(story, room):
    """A registration, and a notification that wants memory as well."""
    watch = story.sessions[KEYS[0]].observe(get("/result"))
    story.starved(room)
    story.world.link.run(for_ms=1000)
    story.starved(room)
    story.tube.device.every(10, lambda: story.rs.changed("/result"))
    story.world.link.run(for_ms=1000)
    story.tube.device._every.clear()
    story.doctor.endpoint.unwatch(watch)
    return story.world.link.run(for_ms=1000)


def op_update(story, room):
    """New rights in a session that observes a resource that they do not cover."""
    key = KEYS[0]
    session = story.sessions[key]
    watch = session.observe(get("/result"))
    story.world.link.run(for_ms=1000)
    at_tube = [one for one in story.rs.rights.sessions.all() if one.osc.id == key and one.state == sessions.BOUND][-1]
    before = (at_tube.grant, at_tube.token)
    claims = story.claims(key, "calibrate")
    claims[L.CLAIM_CNF] = {L.CNF_KID: key}
    token = held(mint.encrypted(claims), key, story.world.now_ms, 10**6)
    story.starved_later(room)
    try:
        story.run(session.update(token))
    except (SessionLost, RequestFailed, Refused):
        session.close()
    after = (at_tube.grant, at_tube.token)
    if (after[0] is before[0]) != (after[1] is before[1]):
        story.wrong.append("half of new rights")
    if after[0] is not before[0] and [one for one in story.rs.answers.observers if one[0].session is at_tube]:
        story.wrong.append("observes what the new rights do not cover")
    story.doctor.endpoint.unwatch(watch)
    story.world.link.run(for_ms=1000)
    story.rs.rights.end(at_tube)  # so that the next turn begins with the old rights
    del story.sessions[key]


def op_expire(story, room):
    """Time passes: a countdown runs out, its session ends with its observation, and another countdown is charged."""
    story.sequence += 2
    for key, exi_s, sequence in ((KEYS[2], 5000, story.sequence + 1), (KEYS[1], 30, story.sequence)):
        if story.post(key, exi=exi_s, cti=b"tube" + sequence.to_bytes(8, "big"), exp=None) is None:
            return story.wrong.append("no session without shortage")
    session = story.sessions[key]
    watch = session.observe(get("/result"))
    story.world.link.run(for_ms=1000)
    story.starved(room)
    story.world.wait(40)
    story.check_countdowns()
    story.doctor.endpoint.unwatch(watch)
    session.close()
    del story.sessions[key]
    if [one for one in story.rs.rights.sessions.all() if one.grant.exi == 30]:
        story.wrong.append("over, and still there")
    return None


# --- mistakes on purpose ---


def plant_bind():
    """Mistake: the session is bound before the others end."""

    def session_of(self, incoming):
        if incoming.context is None:
            return None
        session = self.sessions.find(incoming.context)
        if session.state == sessions.PENDING:
            ended = self.sessions.ended_by(session, self._times.now_ms)
            session.bind()
            for one in ended:
                self.end(one)
        return session

    rights.Rights.session_of = session_of


def plant_add():
    """Mistake: half of an addition stays."""

    def add(self, session):
        session.context.owner = session
        self.contexts.add(session.context)
        self._sessions.append(session)

    sessions.Sessions.add = add


def plant_torn():
    """Mistake: the stack is taken for whole."""

    def notify(self, incoming, message, last):
        step = self._stack.end_observation if last else self._stack.notify
        return step(incoming, message, self.now_ms) is not False

    Endpoint.whole = lambda self, work, *arguments: work(*arguments)
    Endpoint.notify = notify


def plant_charge():
    """Mistake: a countdown is charged before it is saved."""

    def _charge(self, now_ms, started=False):
        self._charge_due_ms = now_ms + exi.CHARGE_S * 1000
        self._state.exi = [
            [sequence, max(0, (self._ends_ms[sequence] - self._charge_due_ms) // 1000)]
            for sequence in sorted(self._ends_ms)
        ]
        self._state.save()

    exi.ExiTable._charge = _charge


def plant_update():
    """Mistake: the new rights come before their token."""
    update = authz_info.AuthzInfo._update

    def _update(self, session, body, grant):
        session.grant = grant
        return update(self, session, body, grant)

    authz_info.AuthzInfo._update = _update


def main(operation, patience, first, last, step, plant=None):
    story = Story(int(patience))
    watch_over(story)
    if plant is not None:
        globals()["plant_" + plant]()
    turns = alive = 0
    for room in range(int(first), int(last), int(step)):
        for key in KEYS[:2]:
            story.goes_on(key)
        gc.collect()
        if turns == 2:
            alive = gc.mem_alloc()
        try:
            globals()["op_" + operation](story, room)
        except HoldfastError as error:
            story.wrong.append(repr(error))
        story.world.wait(300)
        story.check()
        turns += 1
        story.world.link.log = []
        if story.wrong:
            story.wrong.append(f"with room for {room}")
            break
    for key in KEYS[:2]:
        story.goes_on(key)
    gc.collect()
    grown = gc.mem_alloc() - alive
    print(json.dumps({"turns": turns, "failures": story.tube.failures, "grown": grown, "wrong": story.wrong}))


main(*sys.argv[1:])
