"""The board side of fake_board.py, on MicroPython: a littlefs of its own at /, and the raw REPL that mpremote speaks.

    micropython board_repl.py FLASH MODE TELL HEAR

MODE is raw after a soft reset by mpremote, and main after a reset or a power cut.  TELL and HEAR are descriptors, over
which the board says when a program begins and ends.  Ctrl-C may come as a signal only while a program runs.  The REPL
reads Ctrl-C as a character, as that of a real board does.  A signal in the REPL would lose the character that read()
has just taken, and mpremote would wait for ever.
The board exits with SOFT or HARD when it is reset; its starter starts it anew.  Debian's unix port has no raw REPL.
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
BEGINS = 0  # over TELL; any other byte: the program of this number has ended, which HEAR confirms with the same byte


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
    """A pin that prints what it does, without electricity."""

    OUT = 1

    def __init__(self, number, _mode, value):
        self._number = number
        self.value(value)

    def value(self, value):
        put(f"pin {self._number}: {int(value)}\n".encode())


class Machine:
    """The part of `machine` that this board has."""

    Pin = Pin

    @staticmethod
    def UART(_number, _baud, **_):  # noqa: N802 - as boards call it
        return sys.stdin.buffer

    @staticmethod
    def reset():
        sys.exit(HARD)


class Network:
    """The part of `network` that this board has: a radio that is the host's own network."""

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
    byte = sys.stdin.buffer.read(1)
    if not byte:
        sys.exit(0)
    return byte[0]


class Interruptible:
    """Runs programs that Ctrl-C may interrupt. A program may get one signal, and none once its end is confirmed."""

    def __init__(self, tell, hear):
        self._tell = open(tell, "wb")  # noqa: SIM115 - held as long as the board runs
        self._hear = open(hear, "rb")  # noqa: SIM115
        self._number = 0

    def run(self, code, names):
        """Run a program; return what it raised, or None."""
        self._number = self._number % 255 + 1
        raised = None
        try:
            try:
                self._tell.write(bytes((BEGINS,)))
                exec(code, names)
            except BaseException as error:  # noqa: BLE001 - as the real one does
                raised = error
            self._end()
        except KeyboardInterrupt as late:
            raised = raised or late
            self._end()
        if isinstance(raised, SystemExit):
            raise raised
        return raised

    def _end(self):
        number = bytes((self._number,))
        self._tell.write(number)
        while self._hear.read(1) != number:
            pass
        for _ in (1, 2):
            pass  # a signal that came before the confirmation strikes here at the latest


def execute(code, names):
    failure = b""
    error = interruptible.run(code, names)
    if error is not None:
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


def start(names):
    """Run boot.py, and main.py after a reset, as a board does."""
    for name in names:
        try:
            with open(name) as file:
                code = file.read()
        except OSError:
            continue
        error = interruptible.run(code, {"__name__": "__main__"})
        if error is not None:
            sys.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            return


def main(flash, mode):
    mount(flash)
    start(("boot.py", "main.py") if mode == "main" else ("boot.py",))
    names = {"__name__": "__main__"}
    if mode == "raw":
        raw(names)
    while True:
        put(b"\r\n>>> ")
        while get() != CTRL_A:
            pass
        raw(names)


interruptible = Interruptible(int(sys.argv[3]), int(sys.argv[4]))
main(sys.argv[1], sys.argv[2])
