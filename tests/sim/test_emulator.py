"""What a board writes on its one serial line: text for people and frames for the network, never mixed up."""

import json
import socket

import pytest

from holdfast_core.framing import END, encode_frame
from holdfast_sim.emulator_shell import BoardFailed, Bridge, SerialOutput
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
    assert ("micropython", "cpython", *TARGETS) == KINDS
    for name, target in TARGETS.items():
        command = target.command("image", "flash")
        assert command[0].startswith(("qemu-system-", "./.cache/"))
        assert "image" in command
        firmwares = {target.firmware(variant) for variant in ("python", "native")}
        assert len(firmwares) == 2
        assert all(path.startswith(f".cache/firmware/{name}-") for path in firmwares)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'{"tokens": "python", "ready": 0}\n', '"ready": '),
        (b"OK{not json\n", "OK{not json"),
        (b'{"dir": "in"}\r\n', '{"dir": "in"}'),
    ],
)
def test_a_ready_line_tells_the_port_whatever_its_order(said, told):
    lines = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        bridge = Bridge(None, sock, lines.append)
        bridge._tell(said)
        assert told in lines[0]
        if "ready" in lines[0]:
            assert json.loads(lines[0])["ready"] == sock.getsockname()[1]


def test_what_the_board_cannot_do_ends_the_bridge():
    bridge = Bridge(None, None, print)
    with pytest.raises(BoardFailed, match="no-entropy: repeats"):
        bridge._tell(b'{"error": "no-entropy: repeats"}\n')
