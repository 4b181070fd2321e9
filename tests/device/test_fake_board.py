"""The board behind a pseudo-terminal loses no character, whenever Ctrl-C comes: mpremote would wait for ever."""

import os
import select
import time
from contextlib import contextmanager

import pytest

from testkit.fake_board import FakeBoard

BANNER = b"raw REPL; CTRL-B to exit\r\n>"
ENDLESS = b"print('begun')\nwhile True: pass"
TURNS = 40
ANSWERS_IN_S = 20


class Port:
    def __init__(self, name):
        self._file = os.open(name, os.O_RDWR | os.O_NOCTTY)

    def write(self, characters):
        os.write(self._file, characters)

    def until(self, ending):
        read = b""
        while not read.endswith(ending):
            assert select.select([self._file], [], [], ANSWERS_IN_S)[0], (ending, read)
            read += os.read(self._file, 1)
        return read

    def close(self):
        os.close(self._file)


@contextmanager
def opened(board):
    port = Port(board.port)
    try:
        yield port
    finally:
        port.close()


@pytest.fixture
def board(micropython, tmp_path):
    with FakeBoard(micropython, tmp_path) as board:
        yield board


def test_ctrl_c_at_the_prompt_takes_no_character_with_it(board):
    with opened(board) as port:
        for _ in range(TURNS):
            port.write(b"\r\x03")
            port.write(b"\r\x01")
            port.until(BANNER)


def test_ctrl_c_ends_a_program_whenever_it_comes(board):
    with opened(board) as port:
        port.write(b"\r\x01")
        port.until(BANNER)
        for turn in range(TURNS):
            port.write(ENDLESS + b"\x04")
            if turn % 2:
                port.until(b"begun" if turn % 4 == 1 else b"OK")
            port.write(b"\r\x03")
            assert b"KeyboardInterrupt" in port.until(b"\x04>")


def test_ctrl_c_while_it_starts_keeps_an_endless_main_from_the_port(board):
    with opened(board) as port:
        port.write(b"\r\x01")
        port.until(BANNER)
        port.write(b"with open('/main.py', 'w') as file: file.write('while True: pass')\x04")
        port.until(b"\x04\x04>")
        for turn in range(TURNS // 4):
            port.write(b"import machine; machine.reset()\x04")
            port.until(b"OK")
            if turn % 2:
                select.select([], [], [], 0.01 * turn)  # a moment of its start that is another each time
            port.write(b"\r\x03")
            port.write(b"\r\x01")
            port.until(BANNER)


def test_what_nobody_reads_does_not_keep_it_from_being_closed(micropython, tmp_path):
    with FakeBoard(micropython, tmp_path) as board, opened(board) as port:
        port.write(b"\r\x01")
        port.until(BANNER)
        port.write(b"while True: print('x' * 100)\x04")
        port.until(b"x" * 100)
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < ANSWERS_IN_S
