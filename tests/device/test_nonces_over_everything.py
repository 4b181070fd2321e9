"""No pair of key and nonce is used twice between a device and its server, whatever is copied, lost or restored.

Both are the real ones: the server's store in its directory, the device's state on a flash. Every message that either
seals is kept, and so is every request on the wire, which a thief sends again between all other events.
"""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_events import RequestEvent
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack
from holdfast_core.oscore import SecurityContext
from holdfast_core.provisioning import AsContext, decode_provisioning, encode_provisioning
from holdfast_core.secret import Secret
from holdfast_device.device import Device
from holdfast_device.endpoint import Endpoint, RequestFailed
from holdfast_device.slots import StorageFailed
from holdfast_server.coap.context_exchange import JUMP, ContextExchange
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.store.home import CLEAN, CRASHED, RESTORED
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from holdfast_server.wire.context_forms import ContextParameters
from testkit.authz import DOCTOR_APP, EKG, NOW_S, build_story_as
from testkit.flash import FlashFake
from testkit.nonces import Nonces, RepeatedNonce

STEP_MS = 300_000  # beyond the lifetime of a message ID: what comes again is looked at again


class Foreign:
    """A program that is not ours, with a context that is what it was given; it never loses its own numbers."""

    def __init__(self, context):
        self.endpoint = Endpoint(os.urandom)
        self.client = SimpleNamespace(_as_context=context)
        self.tick, self.feed = self.endpoint.tick, self.endpoint.feed
        self.take_datagrams, self.spawn = self.endpoint.take_datagrams, self.endpoint.spawn


def both_sides(told):
    """The party's context and the server's, of exchanged parameters."""
    inputs, ids = (told.master_secret, told.master_salt), (told.sender_id, told.recipient_id)
    more = (told.id_context, told.alg)
    return SecurityContext(*inputs, *ids, *more), SecurityContext(*inputs, *reversed(ids), *more)


class Town:
    """One server, and devices by name. wire: every request to the server so far; acted: what it acted on."""

    def __init__(self, path, before=lambda _story: None):
        """before: is shown the registry before the server starts."""
        self.home = path / "state"
        self.tmp = path
        self.wire, self.acted, self.now_ms, self.asked = [], [], 0, 0
        story = build_story_as(self.home)
        self.told = {EKG: story.exports.for_rs(EKG, NOW_S), DOCTOR_APP: story.exports.for_client(DOCTOR_APP, NOW_S)}
        before(story)
        story.store.close()
        self.devices, self.flashes = {}, {}
        self.start_server()

    # --- the server ---

    def start_server(self):
        self.store = Store(self.home, NOW_S, create=False)
        how = self.store.begin(NOW_S)
        self.contexts = PartyContexts(self.store, os.urandom, lambda: NOW_S)
        self.server = CoapStack(os.urandom, self.contexts)
        return how

    def export_again(self):
        """What `rs export` does: the device's part of the registry, and its file, are new."""
        party = self.store.oscore_party(rs_id=EKG)
        self.store.delete_oscore_party(party.recipient_id)
        made = replace(party, recipient_id=os.urandom(3), master_secret=Secret(os.urandom(16)), id_context=None)
        self.store.add_oscore_party(made, NOW_S)
        told = decode_provisioning(encode_provisioning(self.told[EKG]))
        told.as_context = AsContext(made.master_secret, made.master_salt, made.recipient_id, made.sender_id)
        self.told[EKG] = told

    def stop_server(self):
        self.store.end(self.contexts.windows())
        self.kill_server()

    def kill_server(self):
        self.store._connection.close()
        self.store._unlock()

    def back_up(self, name):
        source, target = sqlite3.connect(self.home / DATABASE_NAME), sqlite3.connect(self.tmp / name)
        with closing(source), closing(target):
            source.backup(target)

    def put_back(self, name, say=False):
        """A backup in place of the database; say: the operator runs the command for it."""
        for suffix in ("-wal", "-shm"):
            (self.home / (DATABASE_NAME + suffix)).unlink(missing_ok=True)
        shutil.copy(self.tmp / name, self.home / DATABASE_NAME)
        if say:
            with Store(self.home, NOW_S, create=False) as store:
                store.after_restore(NOW_S)

    def serve(self, datagram, peer):
        for event in self.server.feed(datagram, peer, self.now_ms):
            if isinstance(event, RequestEvent):
                self.acted.append(event.incoming.message.payload)
                self.server.respond(event.incoming, response(L.CODE_CREATED), self.now_ms)
        return [sent for sent, _ in self.server.take_datagrams()]

    def replay(self):
        """A thief sends everything that was ever sent, and whatever comes back is nothing to him."""
        acted = len(self.acted)
        for datagram in list(self.wire):
            self.now_ms += STEP_MS
            self.server.tick(self.now_ms)
            self.serve(datagram, "thief")
        assert len(self.acted) == acted

    # --- devices ---

    def start(self, name, flash=None, who=EKG, **more):
        """Start a device from its provisioning, on its own flash or on that one."""
        if flash is not None:
            self.flashes[name] = flash
        told = decode_provisioning(encode_provisioning(self.told[who]))
        self.devices[name] = Device(
            told, self.flashes.setdefault(name, FlashFake()), os.urandom, self.now_ms, "as", **more
        )
        return self.devices[name]

    def ask(self, name, times=3):
        """Ask the server until it answers, at most so often; return whether it did."""
        return any(self.ask_once(name) for _ in range(times))

    def ask_once(self, name):
        device = self.devices[name]
        self.now_ms += STEP_MS
        self.server.tick(self.now_ms)
        device.tick(self.now_ms)
        device.take_datagrams()
        self.asked += 1
        message = request(L.CODE_POST, "/introspect", cbor.encode({L.INTRO_TOKEN: b"%d" % self.asked}), L.CF_ACE_CBOR)
        ended = []

        def steps():
            yield device.endpoint.call("as", message, device.client._as_context)

        device.spawn(steps()).when_ended(lambda _value, error: ended.append(error))
        for _ in range(6):
            for datagram, _ in device.take_datagrams():
                self.wire.append(datagram)
                for answer in self.serve(datagram, name):
                    device.feed(answer, "as", self.now_ms)
        assert ended
        assert ended[0] is None or isinstance(ended[0], RequestFailed)
        return ended[0] is None


@pytest.fixture
def town(tmp_path):
    with Nonces() as nonces:
        made = Town(tmp_path)
        made.nonces = nonces
        yield made
        made.kill_server()


def copy_of(flash):
    copied = FlashFake()
    copied.slots = list(flash.slots)
    return copied


def test_what_this_file_looks_for_is_found():
    def seal(payload):
        SecurityContext(b"s" * 16, b"", b"a", b"b").protect_request(request(L.CODE_POST, "/x", payload))

    with Nonces():
        seal(b"one")
        seal(b"one")  # the same message again
        with pytest.raises(RepeatedNonce):
            seal(b"two")


def test_a_provisioning_file_is_a_new_key_at_each_start_that_remembers_nothing(town):
    for name in ("first", "after a wipe", "a second board", "a third one"):
        town.start(name)
        assert town.ask(name)
        town.replay()
    for name in ("first", "a third one", "first", "after a wipe"):  # and all of them at once
        assert town.ask(name)
    town.replay()


def test_either_slot_may_rot_at_any_byte_or_be_empty(town):
    town.start("ekg")
    town.ask("ekg")
    for slot in (0, 1):
        for index in range(0, len(town.flashes["ekg"].slots[slot]), 3):
            whole = town.flashes["ekg"].slots[slot]
            town.flashes["ekg"].slots[slot] = whole[:index] + bytes((whole[index] ^ 4,)) + whole[index + 1 :]
            town.start("ekg")
            assert town.ask("ekg")
        for content in (b"", b"h", b"\0" * 50):
            town.flashes["ekg"].slots[slot] = content
            town.start("ekg")
            assert town.ask("ekg")
    town.replay()
    town.flashes["ekg"].slots = [b"\0" * 50, b"h"]
    with pytest.raises(StorageFailed):
        town.start("ekg")


def test_a_copied_state_goes_on_beside_the_original(town):
    town.start("ekg")
    town.ask("ekg")
    town.start("copy", copy_of(town.flashes["ekg"]), copied=True)  # as Place says it
    for name in ("copy", "ekg", "ekg", "copy", "copy"):
        assert town.ask(name)
    town.replay()
    for name in ("copy", "ekg"):
        town.start(name)
        assert town.ask(name)
    town.replay()


@pytest.mark.parametrize("say", [False, True])
@pytest.mark.parametrize("when", ["before the device", "between", "after a restart"])
def test_the_servers_backup_comes_back_with_and_without_the_command(town, when, say):
    town.start("ekg")
    if when == "before the device":
        town.back_up("saved.db")
    town.ask("ekg")
    if when == "between":
        town.back_up("saved.db")
    town.ask("ekg")
    town.stop_server()
    assert town.start_server() == CLEAN
    if when == "after a restart":
        town.back_up("saved.db")
    town.ask("ekg")
    town.start("second")
    town.ask("second")
    for _ in range(2):  # the same backup, twice
        town.kill_server()
        town.put_back("saved.db", say)
        how = town.start_server()
        assert how == (CLEAN if say else RESTORED) or when == "after a restart"
        town.replay()
        for name in ("ekg", "second", "ekg"):
            assert town.ask(name)
        town.replay()


def test_an_export_made_again_and_a_client_beside_it(town):
    town.start("ekg")
    town.start("app", who=DOCTOR_APP)
    town.start("app twice", who=DOCTOR_APP)
    for name in ("ekg", "app", "app twice", "app"):
        assert town.ask(name)
    town.replay()
    old = town.told[EKG]
    town.export_again()
    assert not town.ask("ekg")
    town.start("ekg")  # its flash remembers a context of the old file
    assert town.ask("ekg")
    town.replay()
    town.told[EKG] = old
    town.start("too late")
    assert not town.ask("too late")
    assert town.ask("ekg")


def exported(story):
    """A new context for the doctor's app, which is not ours; returns the app's side."""
    exchange = ContextExchange(story.store, story.registry, os.urandom)
    given = ContextParameters(Secret(b""), b"")
    return both_sides(exchange.export(given, NOW_S, client_id=DOCTOR_APP, rs_id=None))[0]


def imported(story):
    """A context that the app has used with another server for a while, and goes on with here."""
    told = ContextParameters(Secret(os.urandom(16)), b"salt", b"\x07\x08", b"AS", b"context")
    mine, theirs = both_sides(told)
    for _ in range(50):
        asked, _ = mine.protect_request(request(L.CODE_POST, "/x"))
        opened = theirs.unprotect_request(asked)
        theirs.protect_response(response(L.CODE_CHANGED), opened.state, with_piv=True)
    exchange = ContextExchange(story.store, story.registry, os.urandom)
    exchange.take_in(told, JUMP, NOW_S, client_id=DOCTOR_APP, rs_id=None)
    return mine


@pytest.mark.parametrize("comes_by", [exported, imported])
@pytest.mark.parametrize("say", [False, True])
def test_a_context_that_left_or_came_goes_on_over_crashes_and_restores(tmp_path, comes_by, say):
    with Nonces():
        found = []
        town = Town(tmp_path, before=lambda story: found.append(comes_by(story)))
        town.devices["app"] = Foreign(found[0])
        town.back_up("first.db")
        for end in (town.stop_server, town.kill_server, town.stop_server):
            assert town.ask("app")
            town.replay()
            end()
            town.start_server()
        town.back_up("later.db")
        for name in ("first.db", "later.db", "first.db"):
            assert town.ask("app")
            town.kill_server()
            town.put_back(name, say)
            town.start_server()
            town.replay()
            assert town.ask("app")
        town.kill_server()


AT_DEVICES = ("ask", "ask", "ask", "restart", "rot", "empty", "second", "copy")
EVENTS = (*AT_DEVICES, "crash", "stop", "back up", "put back", "say")


@pytest.mark.parametrize("seed", range(8))
def test_everything_in_any_order(town, seed):
    chosen, saved, made = random.Random(seed), [], 0
    town.start("ekg")
    for _ in range(60):
        event, name = chosen.choice(EVENTS), chosen.choice(sorted(town.devices))
        if event == "ask":
            assert town.ask(name)
        elif event == "restart":
            town.start(name)
        elif event in ("rot", "empty"):
            slot, flash = chosen.randrange(2), town.flashes[name]
            whole = bytearray(flash.slots[slot])
            whole[chosen.randrange(len(whole))] ^= 1 << chosen.randrange(8)
            flash.slots[slot] = bytes(whole) if event == "rot" else b""
            town.start(name)
        elif event == "second" and len(town.devices) < 6:
            made += 1
            town.start(f"board {made}")
        elif event == "copy" and len(town.devices) < 6:
            made += 1
            town.start(f"copy {made}", copy_of(town.flashes[name]), copied=True)
        elif event == "crash":
            town.kill_server()
            assert town.start_server() == CRASHED
        elif event == "stop":
            town.stop_server()
            assert town.start_server() == CLEAN
        elif event == "back up":
            saved.append(f"{len(saved)}.db")
            town.back_up(saved[-1])
        elif event in ("put back", "say") and saved:
            town.kill_server()
            town.put_back(chosen.choice(saved), say=event == "say")
            town.start_server()
        if chosen.random() < 0.2:
            town.replay()
    town.replay()
    assert all(town.ask(name) for name in town.devices)
    assert len(town.nonces.pairs) > 60
