"""The devices against the real authorization server, in memory: what one writes the other reads."""

import contextlib

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_events import RequestEvent
from holdfast_core.coap_stack import CoapStack
from holdfast_device.client import Refused, SessionLost
from holdfast_device.rights import RECHECK_MS
from holdfast_device.token_response import token_response_from
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from holdfast_server.wire.ace_cbor import encode_token_answer
from testkit.authz import EKG, NOW_S, TUBE, build_story_as, change_rs
from testkit.link import Random
from testkit.story import World, get


class RealAs:
    """The server behind its stack, on the link."""

    def __init__(self, story):
        self.story = story
        self.site = CoapSite(story.server)
        self.stack = CoapStack(bytes, PartyContexts(story.store, Random(5).octets, lambda: NOW_S))

    def feed(self, datagram, peer, now_ms):
        return self.answer(self.stack.feed(datagram, peer, now_ms), now_ms)

    def tick(self, now_ms):
        return self.answer(self.stack.tick(now_ms), now_ms)

    def answer(self, events, now_ms):
        for event in events:
            if isinstance(event, RequestEvent):
                incoming = event.incoming
                with self.story.store.transaction():
                    message = self.site.answer(incoming.message, incoming.context, NOW_S + now_ms // 1000)
                    self.stack.respond(incoming, message, now_ms)
        return ()

    def next_deadline_ms(self):
        return self.stack.next_deadline_ms()

    def take_datagrams(self):
        return self.stack.take_datagrams()


@pytest.fixture
def world(tmp_path, repo):
    made = World()
    made.story = build_story_as(tmp_path)
    yield boot(made, repo)
    made.story.store.close()


def boot(world, repo):
    """Provision from the registry, start the AS, both devices with their example programs, and the doctor."""
    world.link.add("as", RealAs(world.story))
    for name, rs_id, example in (("ekg", EKG, "ekg.py"), ("tube", TUBE, "tube.py")):
        world.provisionings[name] = world.story.exports.for_rs(rs_id, NOW_S)
        world.setup = setup_of(repo / "device" / "examples" / example)
        world.setup(world.boot(name, clock=name == "ekg"), Peers)
    world.doctor = world.client()
    return world


class Peers:
    @staticmethod
    def peer(audience):
        return {TUBE: "tube"}[audience]


def setup_of(path):
    names = {"__name__": "example"}
    exec(path.read_text(), names)
    return names["setup"]


def doctor_response(world, **params):
    """The doctor's app's token as the HTTPS side hands it out, by CBOR label."""
    from holdfast_core import cbor

    answer = world.story.doctor_token(NOW_S + world.now_ms // 1000, ace_profile=None, **params)
    return token_response_from(cbor.decode(encode_token_answer(answer)), world.now_ms)


def open_ekg(world):
    response = doctor_response(world)
    return response, world.run(world.doctor.open_session("ekg", response))


def read(world, session, path):
    return world.run(session.request(get(path)))


def test_the_doctor_reads_the_ekg_and_through_it_the_tube(world):
    _, session = open_ekg(world)
    assert read(world, session, "/ekg").code == L.CODE_CONTENT
    answer = read(world, session, "/results")
    assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"troponin negative")
    tube = world.devices["tube"].rs.rights.sessions.all()
    assert [one.grant.format for one in tube] == ["cwt-nested"]
    assert tube[0].grant.act is not None


def test_scope_is_only_what_was_approved(world):
    code = world.story.code(approved="read_ekg", now_s=NOW_S)
    response = doctor_response(world, code=code)
    session = world.run(world.doctor.open_session("ekg", response))
    assert read(world, session, "/ekg").code == L.CODE_CONTENT
    assert read(world, session, "/results").code == L.CODE_FORBIDDEN


def test_revocation_reaches_the_ekg_and_what_it_got_for_the_doctor(world):
    response, session = open_ekg(world)
    assert read(world, session, "/results").code == L.CODE_CONTENT
    world.story.server.revoke({"token": response.access_token.reveal()}, world.story.doctor_app, NOW_S)
    world.wait(RECHECK_MS // 1000)
    with contextlib.suppress(SessionLost):
        assert read(world, session, "/ekg").code == L.CODE_UNAUTHORIZED
    with pytest.raises(Refused):
        world.run(world.doctor.open_session("ekg", response))


def test_a_token_for_the_tube_is_nothing_at_the_ekg(world):
    response, _ = open_ekg(world)
    tube = world.story.tube_token(response.access_token.reveal(), NOW_S, ace_profile=None)
    from holdfast_core import cbor

    tube_response = token_response_from(cbor.decode(encode_token_answer(tube)), world.now_ms)
    with pytest.raises(Refused) as raised:
        world.run(world.doctor.open_session("ekg", tube_response))
    assert raised.value.code in (L.CODE_UNAUTHORIZED, L.CODE_BAD_REQUEST)
    session = world.run(world.doctor.open_session("tube", tube_response))
    assert read(world, session, "/result").code == L.CODE_CONTENT


def test_exi_tokens_of_the_server_count_down_at_the_tube(world, repo):
    change_rs(world.story, TUBE, exi_lifetime_s=30)
    _, session = open_ekg(world)
    assert read(world, session, "/results").code == L.CODE_CONTENT
    assert world.devices["tube"].rs.rights.sessions.all()[0].grant.exi == 30
    world.wait(31)
    assert world.devices["tube"].rs.rights.sessions.all() == []
    assert read(world, session, "/results").code == L.CODE_CONTENT


def test_as_and_devices_restart_and_go_on(world, repo):
    _, session = open_ekg(world)
    read(world, session, "/results")
    boot_again = {"ekg": "ekg.py", "tube": "tube.py"}
    world.link.add("as", RealAs(world.story))
    for name, example in boot_again.items():
        setup_of(repo / "device" / "examples" / example)(world.boot(name, clock=name == "ekg"), Peers)
    _, session = open_ekg(world)
    assert read(world, session, "/results").code == L.CODE_CONTENT
