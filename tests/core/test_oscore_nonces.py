"""Two endpoints, an attacker and restarts at random: no (key, nonce) pair seals twice, no request counts twice.

Both ends send requests, observe, notify and answer late; either may lose its memory at any time and come back with
nothing but its durable sequence reservation; every datagram ever sent may come again, to the right or the wrong end.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast_core import labels as L
from holdfast_core import oscore
from holdfast_core.coap_message import Message, is_request
from holdfast_core.crypto import Aead
from holdfast_core.errors import OscoreRejected, PeerError, ReplayDetected
from holdfast_core.oscore import SecurityContext
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import SenderSequence, SequenceExhausted


class WatchedAead(Aead):
    """Notes every (key, nonce) that seals; a class attribute, so that it outlives the contexts."""

    sealed: list = []

    def __init__(self, alg, key):
        super().__init__(alg, key)
        self.key = key

    def seal(self, nonce, aad, plaintext):
        WatchedAead.sealed.append((self.key, nonce))
        return super().seal(nonce, aad, plaintext)


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    monkeypatch.setattr(oscore, "Aead", WatchedAead)


class End:
    """One endpoint: what it keeps in RAM dies with restart(), `reserved` stays."""

    def __init__(self, sender_id, recipient_id):
        self.ids = (sender_id, recipient_id)
        self.reserved = 0
        self.acted_on = []
        self.wake(ReplayWindow())

    def wake(self, window):
        sequence = SenderSequence(self.reserved, self.reserved, self.reserve, chunk=3)
        self.context = SecurityContext(b"master secret", b"salt", *self.ids, sequence=sequence, replay=window)
        self.sent = []
        self.open = []
        self.echo = None

    def reserve(self, until):
        self.reserved = until

    def restart(self):
        self.wake(ReplayWindow(initialised=False))

    def take(self, outer, echoes):
        """Receive a datagram; answer an unproven request with an Echo challenge, act on the others."""
        if not is_request(outer.code):
            for state in self.sent:
                try:
                    return self.context.unprotect_response(outer, state)
                except PeerError:
                    continue
            return None
        opened = self.context.unprotect_request(outer)
        if not opened.fresh:
            if self.echo is None or opened.message.get(L.OPT_ECHO) != self.echo:
                self.echo = next(echoes)
                challenge = Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, self.echo)
                return self.context.protect_response(challenge, opened.state)
            self.context.accept(opened.state)
        self.acted_on.append(opened.state.number)
        self.open.append(opened.state)
        return None


class Session(RuleBasedStateMachine):
    @initialize()
    def start(self):
        WatchedAead.sealed = []
        self.ends = (End(b"\x0c", b"\x05"), End(b"\x05", b"\x0c"))
        self.wire = []
        self.echoes = (b"echo%d" % n for n in range(10**9))

    def send(self, outer):
        if outer is not None and outer not in self.wire:
            self.wire.append(outer)

    def request(self, end, options=()):
        message = Message(L.CODE_GET, b"", list(options))
        outer, state = end.context.protect_request(message)
        end.sent.append(state)
        self.send(outer)
        return outer

    @rule(who=st.integers(0, 1), observe=st.booleans())
    def ask(self, who, observe):
        self.request(self.ends[who], [(L.OPT_OBSERVE, b"")] if observe else [])

    @precondition(lambda self: self.wire)
    @rule(who=st.integers(0, 1), which=st.integers(0, 10**6))
    def deliver(self, who, which):
        """Any datagram ever sent arrives at either end: late, twice, or where it came from."""
        try:
            answer = self.ends[who].take(self.wire[which % len(self.wire)], self.echoes)
        except OscoreRejected:
            return
        if answer is not None and not is_request(answer.code) and answer.get(L.OPT_OSCORE) is not None:
            self.send(answer)

    @precondition(lambda self: self.wire)
    @rule(who=st.integers(0, 1))
    def deliver_newest(self, who):
        self.deliver(who, len(self.wire) - 1)

    @rule(who=st.integers(0, 1), which=st.integers(0, 10**6), own_piv=st.booleans())
    def answer(self, who, which, own_piv):
        """Answer any request acted on, again too; an observation gets a notification."""
        end = self.ends[who]
        if not end.open:
            return
        state = end.open[which % len(end.open)]
        message = Message(L.CODE_CONTENT, b"%d" % which)
        if state.observe:
            message.add(L.OPT_OBSERVE, 1)
        self.send(end.context.protect_response(message, state, own_piv))

    @rule(who=st.integers(0, 1))
    def restart(self, who):
        self.ends[who].restart()

    @rule(who=st.integers(0, 1))
    def recover(self, who):
        """A whole Echo exchange, as an honest client does it."""
        asking, answering = self.ends[who], self.ends[1 - who]
        challenge = answering.take(self.request(asking), self.echoes)
        if challenge is None:
            return
        self.send(challenge)
        echo = asking.take(challenge, self.echoes).get(L.OPT_ECHO)
        assert answering.take(self.request(asking, [(L.OPT_ECHO, echo)]), self.echoes) is None
        assert answering.context.replay.initialised

    @invariant()
    def no_pair_repeats(self):
        assert len(set(WatchedAead.sealed)) == len(WatchedAead.sealed)

    @invariant()
    def nothing_is_acted_on_twice(self):
        for end in getattr(self, "ends", ()):
            assert len(set(end.acted_on)) == len(end.acted_on)

    def teardown(self):
        assert len(WatchedAead.sealed) >= len(getattr(self, "wire", ())), "the watch is not in place"


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


def test_the_watch_sees_a_repeated_nonce():
    """The opposite: a sequence that starts over after a restart does repeat a pair, and the watch shows it."""
    WatchedAead.sealed = []
    for _ in range(2):
        SecurityContext(b"s", b"", b"a", b"b").protect_request(Message(L.CODE_GET))
    assert len(WatchedAead.sealed) == 2
    assert len(set(WatchedAead.sealed)) == 1


def test_a_window_that_starts_over_takes_a_replay():
    """The opposite: without ReplayWindow(initialised=False) the restart would act on an old request."""
    outer, _ = SecurityContext(b"s", b"", b"a", b"b").protect_request(Message(L.CODE_GET))
    for replay, fresh in ((ReplayWindow(), True), (ReplayWindow(initialised=False), False)):
        assert SecurityContext(b"s", b"", b"b", b"a", replay=replay).unprotect_request(outer).fresh is fresh


def test_the_last_number_is_followed_by_silence():
    WatchedAead.sealed = []
    mine = SecurityContext(b"s", b"", b"a", b"b", sequence=SenderSequence(limit=2))
    peer = SecurityContext(b"s", b"", b"b", b"a", sequence=SenderSequence(limit=0))
    outer, _ = mine.protect_request(Message(L.CODE_GET))
    state = peer.unprotect_request(outer).state
    for with_piv in (True, False):
        answers = Message(L.CODE_CONTENT, b"x")
        if with_piv:
            peer.protect_response(answers, state, with_piv)
        else:
            with pytest.raises(SequenceExhausted):
                peer.protect_response(answers, state, with_piv)
    with pytest.raises(ReplayDetected):
        peer.unprotect_request(outer)
    assert len(set(WatchedAead.sealed)) == len(WatchedAead.sealed) == 2
