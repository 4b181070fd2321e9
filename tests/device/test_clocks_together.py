"""Every clock of an AS and of its devices jumps, forward and back, over restarts; at the end all are right again.

Real AS on SQLite with its clock guard, real devices, one virtual time, fixed seeds. What holds all the way:
 * nobody whose clock is right takes a token after its end;
 * no audit row is lost;
and once the clocks are right again:
 * a device whose clock was always right takes a good token as ever;
 * any other takes it too, or gives a cnonce in its hints and takes a token with it: nobody touches a device;
 * the AS issues again by itself, or when the operator has accepted the clock (`holdfast server clock accept`).
"""

import random

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.errors import PeerError
from holdfast_core.kinds import CWT_ENCRYPTED
from holdfast_device.token_response import token_response_from
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.clock_guard import SETTLE_S
from holdfast_server.authz.errors import ServiceUnavailable
from holdfast_server.cli.serve import sweep_by
from holdfast_server.process.clock_watch import WatchedClock
from holdfast_server.records import Client, ResourceServer
from testkit.authz import CountingRng, build_story_as
from testkit.story import World, get

HOUR_S, DAY_S, YEAR_S = 3600, 86400, 365 * 86400
START_S = 1_800_000_000
JUMPS_S = (60, 2 * HOUR_S, DAY_S, 40 * DAY_S, 2 * YEAR_S, 30 * YEAR_S)
# name -> whether it has a clock, and whether that one is ever wrong
DEVICES = {"steady": (True, False), "jumpy": (True, True), "blind": (False, False)}
CALLER = Caller("courier", None, True)


class Party:
    """A device or the AS: how far its wall clock is off."""

    def __init__(self):
        self.off_s = 0


class Hospital:
    """One AS, three devices, and couriers that carry tokens when they like."""

    def __init__(self, story, seed):
        self.random = random.Random(seed)
        self.story = story
        self.world = World(seed)
        self.parties = {name: Party() for name in ("as", *DEVICES)}
        self.carried = []
        self.audited = 0
        self.start_as(first=True)
        for name in DEVICES:
            provisioning = story.exports.for_rs(name, START_S)
            self.world.provisionings[name] = provisioning
            self.start(name)

    # --- clocks ---

    @property
    def true_s(self):
        return START_S + self.world.now_ms // 1000

    def says_s(self, name):
        return self.true_s + self.parties[name].off_s

    def start_as(self, first=False):
        """Start the AS, or start it again: what it had not kept is forgotten."""
        story = self.story
        if first:
            story.store.keep_clock(START_S, START_S, 0)
        counting = self.random.randrange(10**9)
        self.clock = WatchedClock(
            story.store, story.settings, lambda: self.says_s("as"), lambda: counting + self.world.now_ms
        )
        rng = CountingRng(b"as %d" % counting)
        self.server = AuthorizationServer(story.store, story.keyring, story.settings, rng, self.clock.guard)

    def start(self, name):
        """Start a device, or start it again with its flash."""
        device = self.world.boot(name, clock=False)
        device.rs.resource("/r", get=lambda asked: response(L.CODE_CONTENT))
        self.set_clock(name)

    def set_clock(self, name):
        if DEVICES[name][0]:
            self.world.devices[name].set_time(self.says_s(name), self.world.now_ms)

    def wait(self, seconds):
        for _ in range(3):
            self.world.wait(seconds // 3 + 1)
            self.clock.watch()
            while sweep_by(self.clock.guard, self.story.store, 365):
                pass
        for name in DEVICES:
            self.set_clock(name)
        rows = len(self.story.store.audit_rows(100_000))
        assert rows >= self.audited
        self.audited = rows

    # --- tokens ---

    def issue(self, name, **more):
        """A new token of the AS, or None when it does not believe its clock."""
        asked = {"audience": name, "scope": "read", "ace_profile": None, **more}
        try:
            answer = self.server.token(asked, CALLER, self.clock.now_s())
        except ServiceUnavailable:
            return None
        return name, {**answer, "exp_s": self.clock.now_s() + answer["expires_in"]}

    def opens(self, carried):
        """Post a token with its key and read with it, as whoever kept it may; whether the device took it."""
        name, answer = carried
        client = self.world.client("courier", self.random.randrange(10**6))
        self.world.wait(61)  # allowances fill up, sessions may be pushed out
        self.set_clock(name)
        members = {
            L.ACE_ACCESS_TOKEN: answer["access_token"],
            L.ACE_EXPIRES_IN: YEAR_S,
            L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
            L.ACE_CNF: answer["cnf"],
        }
        try:
            session = self.world.run(
                client.open_session(name, token_response_from(members, self.world.now_ms)), "courier"
            )
            taken = self.world.run(session.request(get("/r")), "courier").code == L.CODE_CONTENT
        except PeerError:
            return False
        if taken and DEVICES[name][0] and not self.parties[name].off_s:
            assert self.true_s < answer["exp_s"]
        return taken

    def carry(self, name):
        """Get a token, keep it, and now and then take an old one in its place."""
        made = self.issue(name)
        if made is not None:
            self.carried.append(made)
        if self.carried:
            self.opens(self.random.choice(self.carried[-8:]))

    # --- what happens ---

    def happen(self):
        """One thing at random."""
        dice = self.random.randrange(12)
        name = self.random.choice(list(DEVICES))
        if dice < 2:
            self.jump("as")
        elif dice == 2:
            self.parties["as"].off_s = 0
        elif dice == 3:
            self.start_as()
        elif dice == 4:
            self.start(name)
        elif dice == 5:
            self.jump("jumpy")
            self.set_clock("jumpy")
        elif dice == 6:
            self.start_as_ahead()
            self.carry(name)
        elif dice == 7:
            del self.world.link.endpoints[name]
            self.wait(self.random.choice((HOUR_S, DAY_S)))
            self.start(name)
        else:
            self.carry(name)
        self.wait(self.random.choice((30, SETTLE_S, HOUR_S, 5 * HOUR_S)))

    def start_as_ahead(self):
        """Start the AS with a clock as far ahead as one that was off for long may be (clock_guard.MAX_OFF_S)."""
        self.parties["as"].off_s = self.random.choice((40, 90)) * DAY_S
        self.start_as()

    def jump(self, name):
        self.parties[name].off_s = self.random.choice((1, -1)) * self.random.choice(JUMPS_S)

    def mend(self):
        """Set all clocks right; the operator accepts the AS's when it does not agree by itself."""
        for party in self.parties.values():
            party.off_s = 0
        self.wait(SETTLE_S + 3)
        if self.clock.guard.doubt:
            self.story.store.accept_clock(self.true_s)
            self.wait(9)
        assert self.clock.guard.doubt == ""
        self.wait(SETTLE_S + 3)

    def heals(self, name):
        """Take a good token, if need be one with a cnonce from the hints; whether it needed that."""
        if self.good(name):
            return False
        client = self.world.client("asking")
        cnonce = self.world.run(client.ask_hints(name, "/r"), "asking").cnonce
        assert cnonce is not None
        assert self.good(name, cnonce=cnonce)
        return True

    def good(self, name, **more):
        """Whether the device takes a token that the AS has just made."""
        return self.opens(self.issue(name, **more))


@pytest.fixture
def hospital_of(tmp_path):
    story = build_story_as(tmp_path, START_S)
    grants = (L.GRANT_CLIENT_CREDENTIALS,)
    for name in DEVICES:
        scopes = {"read": (("/r", L.METHOD_GET),)}
        record = ResourceServer(name, (name,), scopes, CWT_ENCRYPTED, connected=False)
        story.registry.add_resource_server(record, START_S)
    story.registry.add_client(Client("courier", grants, dict.fromkeys(DEVICES, ("read",))), START_S)
    return lambda seed: Hospital(story, seed)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_clocks_did_all_is_well_when_they_are_right_again(hospital_of, seed):
    hospital = hospital_of(seed)
    for _ in range(60):
        hospital.happen()
    hospital.mend()
    healed = {name: hospital.heals(name) for name in DEVICES}
    assert not healed["steady"]
    for name in DEVICES:  # and from then on without
        assert hospital.good(name), name
        hospital.start(name)
        assert hospital.good(name), name


def test_a_token_of_the_future_costs_a_device_without_a_clock_one_cnonce(hospital_of):
    hospital = hospital_of(0)
    hospital.start_as_ahead()
    assert hospital.good("blind")
    assert not hospital.good("steady")
    hospital.mend()
    assert {name: hospital.heals(name) for name in DEVICES} == {"steady": False, "jumpy": False, "blind": True}
    assert hospital.good("blind")


def test_a_token_that_is_over_is_refused_by_a_clock_that_is_right(hospital_of):
    hospital = hospital_of(0)
    made = hospital.issue("steady")
    assert hospital.opens(made)
    hospital.wait(HOUR_S)
    assert not hospital.opens(made)


def test_the_operator_accepts_a_clock_that_agrees_no_more_by_itself(hospital_of):
    hospital = hospital_of(0)
    hospital.start_as_ahead()
    hospital.wait(2 * SETTLE_S)  # what is believed for so long is kept
    hospital.parties["as"].off_s = 0
    hospital.wait(DAY_S)
    assert hospital.issue("steady") is None
    hospital.mend()
    assert hospital.good("steady")
