"""`holdfast device` and boards that are noisy, old, hostile or gone, and tools that are old: a sentence, no escape."""

import json
import os
import time

import pytest

from holdfast_deploy import answers
from holdfast_deploy import mpremote_shell as shell
from testkit.device_command import run
from testkit.fake_tools import called, fake_mpremote, fake_tool, noisy_mpremote

NOISES = (
    b'\xff\n{"a": 1}\n',
    b"\x1b[0m",
    b'I (5) wifi: x {"a": 1} ',
    b".",
    b"rst:0x1 (POWERON),boot:0x8\r\n\x80\xfe",
    b"\x1b]0;pwned\x07\x1b[2J",
    b"0123456789abcdef 0 7 {} 0123456789abcdef\n",
)
IDENTITY = {
    "micropython": "1.25.0",
    "machine": "board",
    "mpy": [6, 3, 2],
    "heap_free": 1,
    "flash_free": 1 << 20,
    "flash": 1 << 21,
    "block": 4096,
}
STATUS = {
    **IDENTITY,
    "crypto": None,
    "tokens": None,
    "frozen": None,
    "aes": True,
    "provisioned": None,
    "boots": None,
}
AUDIT = {**STATUS, "sources": [], "copies": [], "webrepl": False, "entropy": "ok", "state": "ok"}
del AUDIT["provisioned"], AUDIT["boots"]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder before everything on PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def is_clean(text):
    return all(one.isprintable() or one == "\n" for one in text)


def test_every_command_hears_its_answer_through_noise(board, tree, file, tools):
    noisy_mpremote(tools, b"".join(NOISES))
    port = ("--port", board.port)
    for arguments, code in (
        (("push", *port, "--tree", tree), 0),
        (("provision", "--from", file, *port), 0),
        (("verify", *port, "--tree", tree), 0),
        (("status", *port), 0),
        (("audit", *port), 0),
    ):
        done = run(*arguments)
        assert done.exit_code == code, done.output
        assert is_clean(done.output)
        assert "pwned" not in done.output


def test_what_a_board_says_besides_reaches_the_terminal_as_text(tools):
    frame_start = b"\x1b]0;pwned\x07\x1b[2J removing /lib\xff\x9b31m\xe2\x80\xae\n"
    fake_mpremote(tools, '{"left": []}', change=(b'{"left"', frame_start + b'{"left"'))
    assert run("wipe", "--port", "p", "--yes").exit_code == 3  # the noise came into the frame
    fake_mpremote(tools, '{"left": ["\\u001b[2Ja\\u202eb"]}')
    done = run("wipe", "--port", "p", "--yes")
    assert done.exit_code == 1
    assert "Error: a\\x202eb in /holdfast is still there" in done.output
    fake_mpremote(tools, json.dumps({**STATUS, "machine": "\x1b[2Jevil\n\x07"}))
    shown = run("status", "--port", "p")
    assert shown.exit_code == 0
    assert is_clean(shown.output)
    assert "evil" in shown.output
    fake_tool(tools, "mpremote", "mpremote 1.29", frame_start + b"could not enter raw repl\n\x1b[0m\n", 1)
    failed = run("status", "--port", "p")
    assert failed.exit_code == 3
    assert is_clean(failed.output)
    assert "mpremote says: could not enter raw repl." in failed.output


@pytest.mark.parametrize(
    "command", [("status",), ("audit",), ("verify",), ("wipe", "--yes"), ("push",), ("provision",)]
)
def test_a_board_that_goes_away_in_its_answer_is_given_up(tools, tree, file, monkeypatch, command):
    monkeypatch.setattr(shell, "SILENCE_S", 0.5)
    fake_mpremote(tools, json.dumps(STATUS), end=30, hangs=True)
    more = {"push": ("--tree", tree), "verify": ("--tree", tree), "provision": ("--from", file)}.get(command[0], ())
    began_s = time.monotonic()
    done = run(*command, *more, "--port", "p")
    assert done.exit_code == 3, done.output
    assert "Press its reset button" in done.output
    assert time.monotonic() - began_s < 20
    assert ["connect", "p", "resume", "reset"] not in called(tools)


def test_a_board_that_is_just_starting_is_asked_once_more(tools):
    """The command before has reset it; a board that cannot be asked twice is not there."""
    fake_mpremote(tools, '{"left": []}', starting=1)
    assert run("wipe", "--yes", "--port", "/dev/null").exit_code == 0
    fake_mpremote(tools, '{"left": []}', starting=4)
    (tools / "called").unlink()
    failed = run("wipe", "--yes", "--port", "/dev/null")
    assert failed.exit_code == 3
    assert len([call for call in called(tools) if "exec" in call]) == 2


def test_a_board_that_talks_without_end_is_given_up(tools, monkeypatch):
    monkeypatch.setattr(shell, "MAX_OUTPUT_LEN", 100000)
    fake_tool(tools, "mpremote", "mpremote 1.29", b"I (5) wifi: x\n" * 10000)
    done = run("status", "--port", "p")
    assert done.exit_code == 1
    assert "more than any answer" in done.output


ODD = (
    *("{}", "[]", "null", "1", '{"a": 1}', '{"failed": "\\u001b[2Jx"}', '{"left": [1]}', '{"left": {}}'),
    *('{"old": 1, "new": null}', "NaN", "{", "[" * 100000, '{"sha256": 1' + "0" * 5000 + "}"),
)
MUTANTS = [
    {**whole, name: value}
    for whole in (STATUS, AUDIT)
    for name in whole
    for value in (None, -1, 1.5, 1 << 60, "x", [], [1, "x", 2], {}, [[[[[[]]]]]], True)
]


@pytest.mark.parametrize(
    "command", [("status",), ("audit",), ("verify",), ("wipe", "--yes"), ("push",), ("provision",)]
)
def test_a_board_may_answer_anything(tools, tree, file, command, monkeypatch):
    """Never a traceback: what makes no sense is an exit code and a sentence."""
    more = {"push": ("--tree", tree), "verify": ("--tree", tree), "provision": ("--from", file)}.get(command[0], ())
    shell.version_of.cache_clear()
    monkeypatch.setattr(shell.Board, "restart", lambda _self: True)
    tool = shell.tool

    def answer(said):
        def output(command, *_):
            if command[1:] == ["version"]:
                yield b"mpremote 1.29.0\n"
                return
            nonce = command[-1].split('print("', 1)[1].split('"', 1)[0]
            yield f"{nonce} 0 {len(said)} {said} {nonce}\r\n{nonce} 1 0  {nonce}\r\n".encode()

        monkeypatch.setattr(shell, "_output", output)

    assert tool("mpremote")
    codes = set()
    for said in (*ODD, *map(json.dumps, MUTANTS)):
        answer(said)
        done = run(*command, *more, "--port", "p")
        assert done.exception is None or isinstance(done.exception, SystemExit), (said, done.exception)
        assert is_clean(done.output)
        codes.add(done.exit_code)
    assert codes <= {0, 1, 3, 4}
    assert codes & {1, 3}


@pytest.mark.parametrize("port", ["-x", "+", "--help", "list", "", "a\x1b[2J"])
def test_no_name_of_a_port_is_an_option(tools, tree, file, tmp_path, port):
    fake_mpremote(tools, json.dumps(STATUS))
    fake_tool(tools, "esptool", "esptool v5.0")
    image = tmp_path / "image.bin"
    image.write_bytes(b"\xe9")
    for command in (
        *(("status",), ("audit",), ("verify",), ("wipe", "--yes"), ("push", "--tree", tree)),
        *(("provision", "--from", file), ("flash", image, "--chip", "esp32")),
    ):
        done = run(*command, f"--port={port}")
        assert done.exit_code == 2, (command, done.output)
        assert "is no serial port" in done.output
        assert is_clean(done.output)
    assert called(tools) == []


@pytest.mark.parametrize("name", ["-x.py", "+", ":main.py", "--help"])
def test_no_name_of_a_file_is_an_option(tools, tree, tmp_path, monkeypatch, name):
    fake_mpremote(tools, json.dumps(IDENTITY), "{}", "{}", "{}")
    fake_tool(tools, "esptool", "esptool v5.0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("")
    run("push", "--port", "p", "--tree", tree, f"--main={name}")
    (copy,) = [call for call in called(tools) if "cp" in call]
    assert copy[-2:] == [str(tmp_path / name), ":/main.py"]
    run("flash", "--chip", "esp32", "--port", "p", "--", name)
    assert called(tools)[-1][-1] == str(tmp_path / name)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("esptool.py v4.8.1\n4.8.1", ("erase_flash", "write_flash")),
        ("esptool v5.0.0\n5.0.0", ("erase-flash", "write-flash")),
        ("\x1b[1mesptool v5.6.0\x1b[0m", ("erase-flash", "write-flash")),
    ],
)
def test_each_esptool_is_called_by_its_own_names(tools, tmp_path, said, names):
    fake_tool(tools, "esptool", said)
    image = tmp_path / "image.bin"
    image.write_bytes(b"\xe9")
    assert run("flash", image, "--chip", "esp32", "--port", "p").exit_code == 0
    assert tuple(call[4] for call in called(tools)) == names


def test_esptool_4_may_be_called_esptool_py(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    fake_tool(tools, "esptool.py", "esptool.py v4.8.1")
    image = tmp_path / "image.bin"
    image.write_bytes(b"\xe9")
    assert run("flash", image, "--chip", "esp32", "--port", "p").exit_code == 0


@pytest.mark.parametrize("said", ["esptool.py v3.3", "", "who knows"])
def test_a_tool_of_another_age_is_named(tools, tmp_path, said):
    fake_tool(tools, "esptool", said)
    image = tmp_path / "image.bin"
    image.write_bytes(b"\xe9")
    done = run("flash", image, "--chip", "esp32", "--port", "p")
    assert done.exit_code == 2
    assert "pip install -U esptool" in done.output
    fake_mpremote(tools, json.dumps(STATUS), version=said.replace("esptool.py v3.3", "mpremote 1.20.0"))
    done = run("status", "--port", "p")
    assert done.exit_code == 2
    assert "pip install -U mpremote" in done.output


@pytest.mark.parametrize(
    ("said", "code", "shown"),
    [
        (b"A fatal error occurred: Failed to connect to ESP32\n\x1b[0m\n", 3, "Failed to connect to ESP32"),
        (b"ERROR: A fatal error occurred: Could not open p, the port is busy\n\nHint: Check\n\x1b[?25h", 3, "busy"),
        (b"usage: esptool\nesptool: error: argument operation: invalid choice: 'x'\n", 1, "invalid choice"),
        (b"", 1, "no word"),
    ],
)
def test_the_line_that_says_why_is_shown(tools, tmp_path, said, code, shown):
    fake_tool(tools, "esptool", "esptool v5.0", said, 2)
    image = tmp_path / "image.bin"
    image.write_bytes(b"\xe9")
    done = run("flash", image, "--chip", "esp32", "--port", "p")
    assert done.exit_code == code
    assert shown in done.output.splitlines()[-1]
    assert is_clean(done.output)
    assert ("boot loader?" in done.output) == (code == 3)


def test_what_stops_a_board_says_so_and_starts_it_again(board, tree, file):
    says = "The program on the board stops for this, and starts again afterwards."
    for command in (("status",), ("audit",), ("verify", "--tree", tree), ("wipe",)):
        before = board.said.count(b"hello")
        done = run(*command, "--port", board.port)
        assert (says in done.stderr) == (command != ("wipe",))  # which was not confirmed
        if command != ("wipe",):
            until(lambda seen=before: board.said.count(b"hello") > seen)


def until(holds):
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_frames_are_whole_or_nothing():
    nonce = "00ff"
    whole = b'00ff 0 8 {"a": 1} 00ff\r\n00ff 1 8 {"b": 2} 00ff\r\n00ff 2 0  00ff\r\n'
    assert answers.answers_in(whole, nonce) == [{"a": 1}, {"b": 2}]
    for cut in range(len(whole) - 3):
        with pytest.raises(answers.Damaged):
            answers.answers_in(whole[:cut], nonce)
    for at in range(len(whole) - 2):
        try:
            assert answers.answers_in(whole[:at] + b"~" + whole[at:], nonce) == [{"a": 1}, {"b": 2}]
        except answers.Damaged:
            continue


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x1b[0mc", "abc"),
        ("a\x1b]0;title\x07b", "ab"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("a\x9b2Jb\x7f\x00", "ab\\x7f\\x00"),
        ("a\rb\tc", "a b c"),
        ("\u202ea\u2028b", "\\x202ea\\x2028b"),
        ("Grüße 心", "Grüße 心"),
        (b"\xff\xfea", "\\xff\\xfea"),
    ],
)
def test_foreign_text_is_readable(text, shown):
    assert answers.readable(text) == shown
