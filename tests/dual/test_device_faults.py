"""What goes wrong around a device: a file system that is full or read-only, no memory, a program with a bug."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.oscore_option import decode_option, encode_option
from holdfast_device import store_flash
from holdfast_device.client import Refused
from holdfast_device.slots import StorageFailed
from holdfast_device.store_flash import FileFlash
from testkit import mint
from testkit.flash import FlashFake, PowerCut
from testkit.link import Random
from testkit.story import NOW_S, TUBE, FakeAs, World, get, held

ENOSPC, EROFS, EMFILE, EIO = 28, 30, 24, 5


class NoFile:
    """What opens and then cannot be written."""

    def __init__(self, error):
        self.error = error

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        return False

    def write(self, data):
        raise self.error


class Faulty(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()

    def open(self, key=b"osc-1", now_s=NOW_S, **more):
        token = mint.encrypted(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms, 10**6)))

    def read(self, session, path="/result"):
        return self.world.run(session.request(get(path))).code

    def fails(self, **more):
        with self.assertRaises(Refused) as raised:
            self.open(**more)
        self.assertEqual(raised.exception.code, L.CODE_INTERNAL_SERVER_ERROR)


class Storage(Faulty):
    """What a save needs and does not get: the client gets 5.00, nothing acts on what is not durable, others go on."""

    def refuse(self, error):
        def write(slot, encoded):
            raise error

        flash = self.world.flash["tube"]
        kept, flash.write = flash.write, write
        return kept

    def restore(self, write):
        self.world.flash["tube"].write = write

    def test_no_countdown_begins_and_no_time_is_proven_that_could_not_be_saved(self):
        for error in (StorageFailed("write"), MemoryError()):
            self.setUp()
            session = self.open()
            self.assertEqual(self.read(session), L.CODE_CONTENT)
            counted = {"exi": 100, "cti": b"tube" + bytes(7) + b"\x01", "exp": None}
            write = self.refuse(error)
            for _ in range(3):
                self.fails(key=b"osc-2", **counted)
                self.world.wait(2)
            self.assertEqual(self.read(session), L.CODE_CONTENT)
            self.assertEqual(len(self.tube.rs.rights.sessions), 1)
            self.restore(write)
            before = self.world.flash["tube"].writes
            again = self.open(key=b"osc-2", **counted)
            self.assertGreater(self.world.flash["tube"].writes, before)
            self.assertEqual(self.read(again), L.CODE_CONTENT)

    def test_no_key_counts_as_proven_whose_time_could_not_be_saved(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.wait(60)
        later = self.open(now_s=NOW_S + 50)  # of the same key: the first session ends when this one is bound
        write = self.refuse(StorageFailed("write"))
        for _ in range(3):
            self.assertEqual(self.read(later), L.CODE_INTERNAL_SERVER_ERROR)
            self.world.wait(2)
            self.assertEqual(len(self.tube.rs.rights.sessions), 2)
        self.restore(write)
        self.assertEqual(self.read(later), L.CODE_CONTENT)
        self.assertEqual(len(self.tube.rs.rights.sessions), 1)
        self.assertGreaterEqual(self.tube.state.floor_s, NOW_S + 50)

    def test_files(self):
        class Files(FileFlash):
            def read(self, slot):
                return b""

        kept = store_flash._open_private
        try:
            for number in (ENOSPC, EROFS, EMFILE, EIO):
                for opens in (True, False):

                    def refuse(path, number=number, opens=opens):
                        if opens:
                            return NoFile(OSError(number))
                        raise OSError(number)

                    store_flash._open_private = refuse
                    with self.assertRaises(StorageFailed):
                        Files("nowhere").write(0, b"state")
        finally:
            store_flash._open_private = kept

    def test_a_device_whose_flash_refuses_does_not_start(self):
        flash = FlashFake()

        def write(slot, encoded):
            raise StorageFailed("write")

        flash.write = write
        self.world.flash["tube"] = flash
        with self.assertRaises(StorageFailed):
            self.world.boot_tube()
        self.world.flash["tube"] = FlashFake()
        self.world.flash["tube"].cut(3)
        with self.assertRaises(PowerCut):
            self.world.boot_tube()

    def test_an_rs_that_cannot_reserve_numbers_asks_nothing_and_recovers(self):
        fake = FakeAs()
        self.world.link.add("as", fake)
        ekg = self.world.boot("ekg")
        ekg.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT))
        message = request(L.CODE_POST, "/authz-info", post(b"first"), L.CF_ACE_CBOR)
        self.world.run(self.doctor_asks("ekg", message))  # so that there is a context with the AS
        for error in (StorageFailed("write"), MemoryError()):
            flash = self.world.flash["ekg"]

            def write(slot, encoded, error=error):
                raise error

            kept, flash.write = flash.write, write
            ekg.as_sequence.next_value = ekg.as_sequence.reserved_until
            asked, state = len(fake.asked), ekg.state.as_sequence
            message = request(L.CODE_POST, "/authz-info", post(b"handle"), L.CF_ACE_CBOR)
            answer = self.world.run(self.doctor_asks("ekg", message))
            self.assertEqual(answer.code, L.CODE_INTERNAL_SERVER_ERROR)
            self.assertEqual(len(fake.asked), asked)
            flash.write = kept
            answer = self.world.run(self.doctor_asks("ekg", message))
            self.assertNotEqual(answer.code, L.CODE_INTERNAL_SERVER_ERROR)
            self.assertEqual(len(fake.asked), asked + 1)
            self.assertGreater(ekg.state.as_sequence, state)
            self.world.wait(70)

    def doctor_asks(self, peer, message):
        answer = yield self.doctor.endpoint.call(peer, message)
        return answer

    def test_a_flash_image_from_before_gives_no_nonce_again_where_the_generator_is_alive(self):
        image, drawn = list(self.world.flash["tube"].slots), []
        for life in range(20):
            self.world.flash["tube"].slots = list(image)
            from holdfast_device.device import Device

            flash, provisioning = self.world.flash["tube"], self.world.provisionings["tube"]
            device = Device(provisioning, flash, Random(life + 1).octets, 0)
            self.assertEqual(device.state.boot, 2)
            drawn.append(device.rng(8))
        self.assertEqual(len(set(drawn)), 20)


def post(token):
    from holdfast_core.ace_oscore import encode_authz_info

    return encode_authz_info(token, b"n" * 8, b"\x01")


class Handlers(Faulty):
    """A resource that runs out of memory or has a bug: 5.00 for its request, and every other goes on."""

    def test_at_once_and_later(self):
        from holdfast_device.tasks import Call

        def at_once(error):
            def handler(asked):
                raise error

            return handler

        def in_a_task(error):
            def handler(asked):
                if error is None:
                    yield Call()
                raise error

            return handler

        def after_waiting(error):
            call = Call()

            def handler(asked):
                yield call
                raise error

            return handler, call

        session = self.open()
        for error in (MemoryError(), ValueError("bug"), OSError(ENOSPC), KeyError(1)):
            for handler in (at_once(error), in_a_task(error)):
                for _ in range(10):  # more than tasks may run
                    self.tube.rs.resource("/result", get=handler)
                    self.assertEqual(self.read(session), L.CODE_INTERNAL_SERVER_ERROR)
            handler, call = after_waiting(error)
            self.tube.rs.resource("/result", get=handler)
            codes = []
            self.doctor.endpoint.spawn(session.request(get("/result"))).when_ended(
                lambda answer, error, codes=codes: codes.append(answer.code)
            )
            self.world.link.run(for_ms=3000)
            call.done()
            self.world.link.run(for_ms=3000)
            self.assertEqual(codes, [L.CODE_INTERNAL_SERVER_ERROR])
            self.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT))
            self.assertEqual(self.read(session), L.CODE_CONTENT)

    def test_an_observed_resource(self):
        fine = [True]

        def handler(asked):
            if not fine:
                raise MemoryError
            return response(L.CODE_CONTENT)

        self.tube.rs.resource("/result", get=handler, observable=True)
        session = self.open()
        watch = session.observe(get("/result"))
        self.world.link.run(for_ms=1000)
        self.assertEqual(len(self.tube.rs.answers.observers), 1)
        fine.clear()
        self.tube.rs.changed("/result")
        self.world.link.run(for_ms=1000)
        self.assertEqual([message.code for message in watch._waiting][-1], L.CODE_INTERNAL_SERVER_ERROR)
        self.assertEqual(self.tube.rs.answers.observers, [])

    def test_what_is_no_message_is_a_bug(self):
        def later(asked):
            return "text"
            yield

        session = self.open()
        for handler in (lambda asked: None, lambda asked: b"octets", later):
            self.tube.rs.resource("/result", get=handler)
            self.assertEqual(self.read(session), L.CODE_INTERNAL_SERVER_ERROR)

    def test_a_message_that_cannot_be_sent_is_a_bug(self):
        session = self.open()
        for code, payload in (
            (L.CODE_CONTENT, 21),
            (L.CODE_CONTENT, [21]),
            (L.CODE_CONTENT, None),
            (L.CODE_GET, b""),
            (0, b""),
            (300, b""),
            (None, b""),
        ):

            def at_once(asked, code=code, payload=payload):
                return response(code, payload)

            def later(asked, code=code, payload=payload):
                return response(code, payload)
                yield

            for handler in (at_once, later):
                self.tube.rs.resource("/result", get=handler)
                self.assertEqual(self.read(session), L.CODE_INTERNAL_SERVER_ERROR)
        for payload in (b"x", bytearray(b"x"), memoryview(b"x")):
            self.tube.rs.resource("/result", get=lambda asked, payload=payload: response(L.CODE_CONTENT, payload))
            self.assertEqual(self.read(session), L.CODE_CONTENT)

    def test_a_context_without_numbers_ends_its_observation_and_nothing_else(self):
        session, other = self.open(), self.open(b"osc-2")
        session.observe(get("/result"))
        self.world.link.run(for_ms=1000)
        sequence = self.tube.rs.rights.sessions.all()[0].context.sequence
        sequence._limit = sequence.next_value + 1
        for _ in range(5):
            self.tube.rs.changed("/result")
            self.world.link.run(for_ms=1000)
        self.assertEqual(self.tube.rs.answers.observers, [])
        self.assertEqual(self.read(other), L.CODE_CONTENT)
        self.assertEqual(self.read(session), L.CODE_CONTENT)  # an answer under the request's own nonce needs no number


class Silence(Faulty):
    """Who has no key learns from a refusal what RFC 8613 section 8.2 says in its code, and nothing else."""

    def test_no_refusal_has_a_text(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        good = self.last_request()
        option = decode_option(decode(good).get(L.OPT_OSCORE))
        unauthorized, bad_request = L.CODE_UNAUTHORIZED, L.CODE_BAD_REQUEST
        self.assertEqual(self.refused(good), (unauthorized, b""))
        self.assertEqual(self.refused(good[:-1] + bytes([good[-1] ^ 1]), b"\x63", option.kid), (bad_request, b""))
        self.assertEqual(self.refused(good, b"\x63", option.kid), (bad_request, b""))
        self.assertEqual(self.refused(good, option.piv, b"\xee"), (unauthorized, b""))
        self.assertEqual(self.refused(good, option.piv, b""), (unauthorized, b""))
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.tube.rs.rights.end(self.tube.rs.rights.sessions.all()[0])
        self.assertEqual(self.refused(good, b"\x63", option.kid), (unauthorized, b""))

    def last_request(self):
        sent = [entry[3] for entry in self.world.link.log if entry[1:3] == ("doctor", "tube")]
        return [datagram for datagram in sent if decode(datagram).get(L.OPT_OSCORE) is not None][-1]

    def refused(self, datagram, piv=None, kid=None):
        """Send it as somebody else, with another OSCORE option; return code and payload of the one answer."""
        changed = decode(datagram)
        changed.mid = 50000 + len(self.world.link.log)
        if kid is not None:
            changed.options = [entry for entry in changed.options if entry[0] != L.OPT_OSCORE]
            changed.add(L.OPT_OSCORE, encode_option(piv, kid, None))
        before = len(self.world.link.log)
        self.world.link.send("attacker", "tube", encode(changed))
        self.world.link.run(for_ms=1000)
        self.assertEqual(len(self.world.link.log), before + 2)
        answer = decode(self.world.link.log[before + 1][3])
        self.assertEqual(answer.options, [(L.OPT_MAX_AGE, b"")])
        return answer.code, answer.payload
