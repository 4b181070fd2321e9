"""A test tube on an ESP32 that is awake 2 s in 60: holdfast device push --main sleepy_tube.py --port PORT."""

from os import urandom

import wifi
from machine import RTC, deepsleep

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import read_provisioning
from holdfast_device.sleep_shell import Sleeper, cycle
from holdfast_device.store_flash import FileFlash


def _setup(device):
    device.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"troponin negative", L.CF_TEXT_PLAIN))


provisioning = read_provisioning("/holdfast/provisioning")
cycle(Sleeper(RTC(), deepsleep), _setup, wifi.link(), provisioning, FileFlash("/holdfast"), urandom)
