"""A door lock on an ESP32 or Pico W with WiFi: holdfast device push --main door_lock.py --port PORT."""

import os

import wifi
from machine import Pin

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import run

BOLT = Pin(15, Pin.OUT, value=0)  # 1 draws it back


def setup(device, options):
    """Open with PUT /lock and the body 1, close with any other; the scope of a token says who may."""
    device.rs.resource("/lock", put=lambda asked: BOLT.value(asked.message.payload == b"1") or response(L.CODE_CHANGED))


run(setup, wifi.link(), os.urandom)
