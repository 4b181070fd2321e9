"""The WiFi of the boards' examples, with a radio and a clock of our own: it ends, says why, and comes back."""

import sys

from minitest import TestCase
from test_links import Names

HERE = __file__.replace("\\", "/").rsplit("/", 1)[0] if "/" in __file__ else "."
PASSWORD = "the password of the network"


class Network:
    """The radio.  status_now: what a try ends with; accepts: whether a try succeeds."""

    STA_IF, STAT_CONNECTING, STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND = 0, 1, -3, -2

    def __init__(self):
        self.accepts = False
        self.up = False
        self.status_now = self.STAT_WRONG_PASSWORD
        self.tries = []
        self.error = None

    def WLAN(self, _interface):
        return self

    def active(self, *_):
        return True

    def disconnect(self):
        self.up = False

    def connect(self, name, password):
        self.tries.append((name, password))
        if self.error is not None:
            raise self.error
        self.up = self.accepts

    def isconnected(self):
        return self.up

    def status(self):
        return self.status_now

    def ifconfig(self):
        return ("192.0.2.7", "", "", "")


class Clock:
    """Both of time and of Ticks."""

    def __init__(self):
        self.ms = 0

    def sleep(self, seconds):
        self.ms += int(seconds * 1000)

    def now_ms(self):
        return self.ms

    def __call__(self):
        start_ms = self.ms
        ticks = Clock()
        ticks.now_ms = lambda: self.ms - start_ms
        return ticks


class Watchdog:
    def __init__(self, timeout=0):
        self.timeout = timeout
        self.fed = 0
        Watchdog.last = self

    def feed(self):
        self.fed += 1


class Machine:
    WDT = Watchdog


class Wifi(TestCase):
    def setUp(self):
        self.radio, self.clock, self.under, self.said = Network(), Clock(), Names(), []
        self.saved = {name: sys.modules.get(name) for name in ("network", "machine", "wifi")}
        sys.modules["network"], sys.modules["machine"] = self.radio, Machine
        sys.modules.pop("wifi", None)
        path = HERE + "/../../device/examples/boards"
        sys.path.insert(0, path)
        import wifi

        sys.path.remove(path)
        self.wifi = wifi
        wifi.network, wifi.time, wifi.Ticks = self.radio, self.clock, self.clock
        wifi.listen = lambda _host, _port: self.under
        wifi.write = self.said.append
        self.settings, wifi._settings = wifi._settings, lambda: ("net", PASSWORD)

    def tearDown(self):
        for name, module in self.saved.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module

    def serve(self, link, seconds):
        for _ in range(seconds):
            link.wait(1000)
            self.clock.ms += 1000

    def test_a_wrong_password_ends_the_wait_and_is_said(self):
        link = self.wifi.link()
        self.assertTrue(self.wifi.CONNECT_MS <= self.clock.ms <= self.wifi.CONNECT_MS + 1000)
        self.assertIn("wrong password", self.said[0])
        self.assertNotIn(PASSWORD, "".join(self.said))
        tries = len(self.radio.tries)
        self.serve(link, 600)
        self.assertTrue(tries + 8 <= len(self.radio.tries) <= tries + 14)  # more and more seldom, and it goes on
        self.assertEqual(set(self.radio.tries), {("net", PASSWORD)})
        self.radio.accepts = True
        self.serve(link, 61)
        self.assertIn("192.0.2.7", self.said[-1])

    def test_a_network_that_is_there_gives_the_address_at_once(self):
        self.radio.accepts = True
        link = self.wifi.link()
        self.assertEqual(self.said, ['{"wifi": "192.0.2.7"}\n'])
        self.serve(link, 100)
        self.assertEqual(len(self.radio.tries), 1)
        self.under.coming.append((b"datagram", "peer"))
        self.assertTrue(link.wait(0))
        self.assertEqual(link.receive(), (b"datagram", "peer"))
        link.send(b"answer", "peer")
        self.assertEqual(self.under.sent, [(b"answer", "peer")])

    def test_it_connects_again_when_the_network_has_gone(self):
        self.radio.accepts = True
        link = self.wifi.link()
        self.radio.up, self.radio.accepts, self.radio.status_now = False, False, Network.STAT_NO_AP_FOUND
        self.serve(link, 30)
        self.assertIn("lost", self.said[1])
        self.assertIn("no such network", self.said[2])
        self.radio.accepts = True
        self.serve(link, 60)
        self.assertIn("192.0.2.7", self.said[-1])

    def test_a_radio_that_fails_and_a_status_of_another_port_are_said(self):
        self.radio.error, self.radio.status_now = OSError("Wifi Internal Error"), 4711
        link = self.wifi.link()
        self.serve(link, 10)
        self.assertIn("Wifi Internal Error", self.said[0])
        self.assertIn("4711", self.said[1])

    def test_the_watchdog_is_fed_while_the_loop_runs_and_absent_by_default(self):
        Watchdog.last = None
        self.radio.accepts = True
        self.wifi.link()
        self.assertIsNone(Watchdog.last)
        link = self.wifi.link(watchdog_ms=8000)
        fed = Watchdog.last.fed
        self.serve(link, 5)
        self.assertEqual((Watchdog.last.timeout, Watchdog.last.fed), (8000, fed + 5))

    def test_what_is_no_setting_is_a_sentence(self):
        for text in (None, "", "{}", "[1, 2, 3]", "5", '"ab'):
            self.wifi.open = lambda _path, text=text: File(text)
            with self.assertRaises(self.wifi.CannotRun) as raised:
                self.settings()
            self.assertIn('["SSID", "PASSWORD"]', str(raised.exception))


class File:
    def __init__(self, text):
        if text is None:
            raise OSError(2)
        self.text = text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, *_):
        text, self.text = self.text, ""
        return text

    def readinto(self, buffer):
        raise OSError(22)
