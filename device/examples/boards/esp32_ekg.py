"""An EKG on an ESP32 with WiFi; its beat can be observed: holdfast device push --main esp32_ekg.py --port PORT."""

import os

import wifi

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import run

WAVE = bytes((10, 11, 12, 11, 10, 8, 60, 120, 2, 9, 10, 12, 14, 12, 10, 10))  # read an ADC here


def setup(device, options):
    """Serve a new beat each second."""
    device.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT, WAVE, L.CF_OCTET_STREAM), observable=True)
    device.every(1000, lambda: device.rs.changed("/ekg"))


run(setup, wifi.link(), os.urandom)
