"""The board side of fake_board.py, on MicroPython: a littlefs of its own at /, and the raw REPL that mpremote speaks.

    micropython board_repl.py FLASH MODE       raw: after a soft reset by mpremote; main: after a reset or a power cut

Exits with SOFT or HARD when it is reset; whoever started it starts it anew.  Debian's unix port has no raw REPL.
"""

import io
import os
import sys

import vfs

SOFT, HARD = 4, 5
BLOCK_LEN, BLOCKS = 4096, 256
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
WINDOW = 4096
CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = 1, 2, 3, 4, 5


class Disk:
    """The flash chip: a file of the host."""

    def __init__(self, file):
        self._file = file

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK_LEN + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK_LEN + offset)
        self._file.write(buffer)
        self._file.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK_LEN
        if operation == 6:
            self._file.seek(argument * BLOCK_LEN)
            self._file.write(b"\xff" * BLOCK_LEN)
        return 0


class Pin:
    """A pin that says what it does; there is no electricity here."""

    OUT = 1

    def __init__(self, number, _mode, value):
        self._number = number
        self.value(value)

    def value(self, value):
        put(f"pin {self._number}: {int(value)}\n".encode())


class Machine:
    """What of `machine` there is here."""

    Pin = Pin

    @staticmethod
    def UART(_number, _baud, **_):  # noqa: N802 - as boards call it
        return sys.stdin.buffer

    @staticmethod
    def reset():
        sys.exit(HARD)


class Network:
    """What of `network`: a radio that is the host's own network."""

    STA_IF = 0

    class WLAN:
        def __init__(self, _interface):
            self._is_up = False

        def active(self, *_):
            return True

        def disconnect(self):
            pass

        def connect(self, name, _password):
            put(f"wifi: {name}\n".encode())
            self._is_up = True

        def isconnected(self):
            return self._is_up

        def ifconfig(self):
            return "127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1"


def mount(path):
    disk = Disk(open(path, "r+b"))  # noqa: SIM115 - held as long as the board runs
    try:
        flash = vfs.VfsLfs2(disk, progsize=256, readsize=256)
    except OSError:
        vfs.VfsLfs2.mkfs(disk, progsize=256, readsize=256)
        flash = vfs.VfsLfs2(disk, progsize=256, readsize=256)
    vfs.umount("/")
    vfs.mount(flash, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.modules["machine"] = Machine
    sys.modules["network"] = Network


def put(data):
    sys.stdout.buffer.write(data)


def get():
    while True:
        try:
            byte = sys.stdin.buffer.read(1)
        except KeyboardInterrupt:
            continue
        if not byte:
            sys.exit(0)
        return byte[0]


def execute(code, names):
    failure = b""
    try:
        exec(code, names)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - as the real one does
        said = io.StringIO()
        sys.print_exception(error, said)
        failure = said.getvalue().encode()
    put(b"\x04" + failure + b"\x04")


def paste():
    """Read a program in raw-paste mode: the sender waits for a 1 after each window."""
    put(b"R\x01" + WINDOW.to_bytes(2, "little") + b"\x01")
    program = bytearray()
    while True:
        byte = get()
        if byte == CTRL_D:
            put(b"\x04")
            return bytes(program)
        program.append(byte)
        if len(program) % WINDOW == 0:
            put(b"\x01")


def raw(names):
    put(BANNER)
    line = b""
    while True:
        byte = get()
        if byte == CTRL_A:
            put(BANNER)
            line = b""
        elif byte == CTRL_B:
            return
        elif byte == CTRL_C:
            line = b""
        elif byte == CTRL_E and not line:
            get(), get()
            execute(paste(), names)
            put(b">")
        elif byte == CTRL_D and not line:
            put(b"OK\r\nMPY: soft reboot\r\n")
            sys.exit(SOFT)
        elif byte == CTRL_D:
            put(b"OK")
            execute(line, names)
            put(b">")
            line = b""
        elif line or byte != 13:
            line += bytes((byte,))


def run(name):
    try:
        with open(name) as file:
            exec(file.read(), {"__name__": "__main__"})
    except OSError:
        return
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - as a board does with main.py
        sys.print_exception(error)


def main(flash, mode):
    mount(flash)
    run("boot.py")
    if mode == "main":
        run("main.py")
    names = {"__name__": "__main__"}
    if mode == "raw":
        raw(names)
    while True:
        put(b"\r\n>>> ")
        while get() != CTRL_A:
            pass
        raw(names)


main(sys.argv[1], sys.argv[2])
