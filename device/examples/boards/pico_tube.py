"""A test tube on a Raspberry Pi Pico, SLIP on UART 0: holdfast device push --main pico_tube.py --port PORT."""

import os

from machine import UART

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import run
from holdfast_device.serial_shell import SerialLink


def setup(device, options):
    """Serve one result."""
    device.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"troponin negative", L.CF_TEXT_PLAIN))


run(setup, SerialLink(UART(0, 115200, rxbuf=2048)), os.urandom)
