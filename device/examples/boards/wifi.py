"""The WiFi that /wifi.json names, ["SSID", "PASSWORD"], as a link: copy it and this file to the board."""

import json
import time

import network

from holdfast_device.udp_shell import UdpLink, bind


def link():
    """Return when the board has an address; its clock is not set: time comes with the tokens."""
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    with open("/wifi.json") as file:
        wlan.connect(*json.load(file))
    while not wlan.isconnected():
        time.sleep(0.1)
    print(wlan.ifconfig()[0])  # noqa: T201 - for whoever looks for it
    return UdpLink(bind("0.0.0.0", 5683))  # noqa: S104 - a board has one
