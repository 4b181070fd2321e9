"""What goes wrong around a device in time, in OSCORE and on its platform; this file has what no other one has.

What goes wrong -> where it is tested on both interpreters, or with a MicroPython process (tests/device):

    a token expires, also under an observation         test_device_time.WithClock
    no clock, a clock rolled back, foreign epochs      test_device_time.WithClock, WithoutClock, test_clock
    an exi token replayed after a restart, a cut       test_device_time.WithoutClock, Cuts
    a nonce again after a power cut, an old image      test_device_robust.Nonces, test_device_faults.Storage
    a lost replay window, captured traffic             test_oscore_exchange.Echo, test_device_robust.Mutations
    a client that crashes again and again              Crashes
    edges of the replay window, numbers used up        test_oscore_tables.Window, test_device_faults.Handlers
    ids that are empty, too long, exchanged            test_oscore.Context, test_oscore_exchange.Requests
    a response for another request, delayed, reused    Path, test_oscore_exchange.Responses
    outer options and codes changed on the way         Path, test_oscore.Classes
    what refusals say to who has no key                test_device_faults.Silence
    power cut at any write                             test_slots.Lives, test_stores, tests/device/test_sleep_process
    wear                                               tests/device/test_wear
    keys on the flash, wiping, partial copies          test_wipe, tests/device/test_board
    a full disk, a read-only one, a full heap          test_device_faults.Storage, test_out_of_memory and its namesake
    killed in the midst of it                          tests/device/test_killed
"""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_device.client import SessionLost
from holdfast_device.endpoint import RequestFailed
from testkit import mint
from testkit.link import Random
from testkit.story import NOW_S, TUBE, World, get, held

TYPES_OF_REQUEST = (L.TYPE_CON, L.TYPE_NON)


class Attacked(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.served = []
        for path in ("/result", "/calibration"):
            self.tube.rs.resource(path, get=self.serve, put=self.serve)

    def serve(self, asked):
        path = asked.message.path()
        self.served.append(path)
        return response(L.CODE_CONTENT, path.encode())

    def open(self, client, now_s=NOW_S, scope="read_result"):
        token = mint.encrypted(mint.claims(TUBE, scope, now_s, key=b"osc-1", life_s=10**6))
        return client.open_session("tube", held(token, b"osc-1", self.world.now_ms, 10**6))


class Crashes(Attacked):
    def test_a_client_that_crashes_again_and_again_is_back_with_one_post_and_one_request(self):
        """At each place where it can crash; the RS has no memory of it that stands in its way."""
        token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S, key=b"osc-1", life_s=10**6))
        random, world = Random(5), self.world
        for life in range(60):
            name = f"doctor{life}"
            client = world.client(name, seed=life + 1)
            session = world.run(client.open_session("tube", held(token, b"osc-1", world.now_ms, 10**6)), name)
            for _ in range(random.below(3)):
                answer = world.run(session.request(get("/result")), name)
                self.assertEqual(answer.payload, b"/result")
            if random.below(2):
                client.endpoint.spawn(session.request(get("/result")))  # killed with this under way
                world.link.collect()
            del world.link.endpoints[name]
            world.wait(5)
            self.assertLessEqual(len(self.tube.rs.rights.sessions), 3)
        client = world.client("doctor", seed=99)
        world.link.log = []
        session = world.run(client.open_session("tube", held(token, b"osc-1", world.now_ms, 10**6)))
        self.assertEqual(world.run(session.request(get("/result"))).code, L.CODE_CONTENT)
        sent = [entry for entry in world.link.log if entry[1] == "doctor"]
        self.assertEqual(len(sent), 2)


class Path(Attacked):
    """Somebody on the path, who sees and changes every datagram and has no key."""

    def setUp(self):
        super().setUp()
        self.doctor = self.world.client()
        self.session = self.world.run(self.open(self.doctor, scope="read_result calibrate"))
        self.assertEqual(self.read().payload, b"/result")
        self.served.clear()

    def read(self, path="/result"):
        return self.world.run(self.session.request(get(path)))

    def test_a_response_moved_to_another_request_is_not_taken(self):
        """Under the token and message ID of the request that waits; the genuine one is lost."""
        old = [entry[3] for entry in self.world.link.log if entry[1] == "tube"][-1]
        self.assertEqual(decode(old).code, L.CODE_CHANGED)

        def tap(sender, receiver, datagram):
            if sender != "tube":
                return [datagram]
            genuine, moved = decode(datagram), decode(old)
            moved.mtype, moved.mid, moved.token = genuine.mtype, genuine.mid, genuine.token
            return [encode(moved)]

        self.world.link.tap = tap
        with self.assertRaises(RequestFailed):
            self.read()
        self.world.link.tap = None
        self.assertEqual(self.read().payload, b"/result")

    def test_responses_come_late_and_in_any_order_and_each_reaches_its_own_request(self):
        kept, got = [], []

        def tap(sender, receiver, datagram):
            if sender == "tube" and len(kept) < 3:
                kept.append(datagram)
                return []
            return [datagram]

        self.world.link.tap = tap
        for code, path in ((L.CODE_GET, "/result"), (L.CODE_PUT, "/calibration"), (L.CODE_GET, "/result")):
            asked = self.doctor.endpoint.spawn(self.session.request(request(code, path)))
            asked.when_ended(lambda answer, error, path=path: got.append((path, answer, error)))
        self.world.link.run(for_ms=2000)
        self.world.link.tap = None
        for datagram in reversed(kept):
            self.world.link.send("tube", "doctor", datagram)
        self.world.wait(60)
        self.assertEqual(len(got), 3)
        answered = [(path.encode(), answer.payload) for path, answer, error in got if error is None]
        self.assertGreater(len(answered), 0)
        for asked, payload in answered:
            self.assertEqual(payload, asked)

    def test_what_stands_outside_decides_nothing(self):
        """Codes, paths, queries and formats that a proxy could write onto a protected request."""
        for code in (L.CODE_POST, L.CODE_FETCH, L.CODE_PUT, L.CODE_DELETE, L.CODE_GET):
            for number, value in ((L.OPT_URI_PATH, b"calibration"), (L.OPT_URI_QUERY, b"x"), (L.OPT_ACCEPT, b"\x3c")):

                def tap(sender, receiver, datagram, code=code, number=number, value=value):
                    message = decode(datagram)
                    if receiver == "tube" and message.mtype in TYPES_OF_REQUEST:
                        message.code = code
                        message.add(number, value)
                        return [encode(message)]
                    return [datagram]

                self.world.link.tap = tap
                self.served.clear()
                try:
                    self.assertEqual(self.read().payload, b"/result")
                except (RequestFailed, SessionLost):
                    self.assertEqual(self.served, [])
                    self.world.link.tap = None
                    self.session = self.world.run(self.open(self.doctor, scope="read_result calibrate"))
                self.assertEqual([path for path in self.served if path != "/result"], [])
        self.world.link.tap = None
        self.assertEqual(self.read().payload, b"/result")

    def test_without_its_oscore_option_a_request_is_a_strangers(self):
        def tap(sender, receiver, datagram):
            message = decode(datagram)
            if receiver == "tube":
                message.remove(L.OPT_OSCORE)
                message.code = L.CODE_GET
                message.payload = b""
                message.add(L.OPT_URI_PATH, b"result")
                return [encode(message)]
            return [datagram]

        self.world.link.tap = tap
        with self.assertRaises(SessionLost):
            self.read()
        self.assertEqual(self.served, [])
