"""The WiFi that /wifi.json names, ["SSID", "PASSWORD"], as a link: copy it and this file to the board.

It says in a line of JSON what the radio does, {"wifi": ADDRESS} or why not, and connects again, more and more seldom.
"""

import json
import time

import machine
import network

from holdfast_device.board_shell import CannotRun, write
from holdfast_device.ticks_shell import Ticks
from holdfast_device.udp_shell import listen

CONNECT_MS = 20000  # so long link() waits for an address; the device serves in any case, and goes on trying
FIRST_RETRY_MS, MAX_RETRY_MS = 5000, 60000
WORDS = {
    "STAT_WRONG_PASSWORD": "wrong password",
    "STAT_NO_AP_FOUND": "no such network",
    "STAT_CONNECT_FAIL": "refused",
    "STAT_CONNECTING": "no answer",
}


class WifiLink:
    """A link, and the radio under it; watchdog: None, or a machine.WDT, fed while the device's loop runs."""

    def __init__(self, wlan, settings, link, watchdog):
        self._wlan, self._settings, self._link, self._watchdog = wlan, settings, link, watchdog
        self._ticks = Ticks()
        self._due_ms, self._retry_ms = 0, FIRST_RETRY_MS
        self._is_up = self._has_tried = False
        self.receive, self.send, self.resolve, self.mtu = link.receive, link.send, link.resolve, link.mtu

    def wait(self, timeout_ms):
        """Return whether something came, after timeout_ms at the latest."""
        self.watch()
        return self._link.wait(timeout_ms)

    def watch(self):
        """Look at the radio; return whether it has an address."""
        if self._watchdog is not None:
            self._watchdog.feed()
        now_ms, was_up = self._ticks.now_ms(), self._is_up
        self._is_up = self._wlan.isconnected()
        if self._is_up and not was_up:
            self._retry_ms = FIRST_RETRY_MS
            _say(self._wlan.ifconfig()[0])
        elif was_up and not self._is_up:
            _say("lost")
            self._due_ms, self._has_tried = now_ms, False
        if not self._is_up and now_ms >= self._due_ms:
            if self._has_tried:
                _say(_why(self._wlan.status()))
            self._due_ms = now_ms + self._retry_ms
            self._retry_ms = min(MAX_RETRY_MS, 2 * self._retry_ms)
            self._try()
        return self._is_up

    def _try(self):
        self._has_tried = True
        try:
            if self._wlan.active():
                self._wlan.disconnect()
            self._wlan.active(True)
            self._wlan.connect(*self._settings)
        except OSError as error:
            _say("radio: " + str(error))


def link(watchdog_ms=0):
    """Return the link, with an address where the network gives one in time; time comes with the tokens.

    watchdog_ms: reset the board when its loop stands still for so long; a Pico takes up to 8388.  A watchdog cannot be
    stopped: it also resets a board that mpremote or `holdfast device` has stopped, so turn it on when all else is done.
    """
    watchdog = machine.WDT(timeout=watchdog_ms) if watchdog_ms else None
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    made = WifiLink(wlan, _settings(), listen("0.0.0.0", 5683), watchdog)  # noqa: S104 - a board has one
    ticks = Ticks()
    while not made.watch() and ticks.now_ms() < CONNECT_MS:
        time.sleep(0.1)
    return made


def _settings():
    try:
        with open("/wifi.json") as file:
            name, password = json.load(file)
    except (OSError, ValueError, TypeError):
        raise CannotRun('/wifi.json must be there and say ["SSID", "PASSWORD"]') from None
    return name, password


def _why(status):
    for name, words in WORDS.items():
        if getattr(network, name, None) == status:
            return words
    return "not connected, status " + str(status)


def _say(what):
    write(json.dumps({"wifi": what}) + "\n")
