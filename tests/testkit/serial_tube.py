"""A tube as a program at the end of a serial line: `python serial_tube.py PROVISIONING STATE FD`."""

import os
import sys

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.provisioning import decode_provisioning
from holdfast_device.device import Device
from holdfast_device.loop_shell import Loop
from holdfast_device.serial_shell import SerialLink
from holdfast_device.store_flash import FileFlash
from holdfast_device.ticks_shell import Ticks


def main(provisioning, state, descriptor):
    """Serve until killed; what has no token gets 4.01."""
    os.makedirs(state, exist_ok=True)
    with open(provisioning, "rb") as file:
        record = decode_provisioning(file.read())
    os.set_blocking(int(descriptor), False)
    stream = os.fdopen(int(descriptor), "r+b", buffering=0)
    ticks = Ticks()
    device = Device(record, FileFlash(state), os.urandom, ticks.now_ms())
    device.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"negative"))
    Loop(device, SerialLink(stream), ticks, True).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
