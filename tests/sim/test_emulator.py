"""What a board writes on its one serial line: text for people and frames for the network, never mixed up."""

import pytest

from holdfast_device.slip import END, encode_frame
from holdfast_sim.emulator_shell import SerialOutput
from holdfast_sim.targets import TARGETS
from holdfast_sim.tubes_shell import KINDS

PEER = (b"\x7f\x00\x00\x1f", 5683)
OTHER = (b"\x7f\x00\x00\x20", 49200)
STREAM = b"".join(
    (
        b'{"ready": 0}\n',
        encode_frame(b"one", PEER),
        encode_frame(END * 3 + b"\n{", OTHER),
        b'{"dir": "in"}\n',
        b"",
        encode_frame(b"", PEER),
        b"unfinished",
    )
)
ITEMS = [b'{"ready": 0}\n', (b"one", PEER), (END * 3 + b"\n{", OTHER), b'{"dir": "in"}\n', (b"", PEER)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_text_and_frames_come_apart_in_any_pieces(size):
    output = SerialOutput()
    seen = [item for at in range(0, len(STREAM), size) for item in output.feed(STREAM[at : at + size])]
    assert seen == ITEMS


def test_a_line_is_told_before_the_next_frame_comes():
    assert list(SerialOutput().feed(b'{"ready": 0}\n')) == [b'{"ready": 0}\n']


def test_a_damaged_frame_is_dropped_alone():
    frame = bytearray(encode_frame(b"one", PEER))
    frame[9] ^= 1
    assert list(SerialOutput().feed(bytes(frame) + b"text\n" + encode_frame(b"two", PEER))) == [
        b"text\n",
        (b"two", PEER),
    ]


def test_every_target_names_its_emulator_and_both_of_its_firmwares():
    assert ("micropython", *TARGETS) == KINDS
    for name, target in TARGETS.items():
        command = target.command("firmware.elf")
        assert command[0].startswith("qemu-system-")
        assert command[-1] == "firmware.elf"
        assert {target.firmware(variant) for variant in ("python", "native")} == {
            f".cache/firmware/{name}-{variant}/firmware.elf" for variant in ("python", "native")
        }
