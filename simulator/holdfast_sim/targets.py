"""The emulated boards that a tube can run on: which emulator, which machine, which firmware.

Never runs anything. A target's firmware is what scripts/firmware.sh TARGET builds, in two variants: `python`, and
`native` with the C core in it.
"""


class Target:
    """An emulated board.

    emulator: the program, from the root of the source tree when its name begins with a dot; mcu: for people; board: the
    module on it that stands for its main.py; flash_blocks: of 4096 bytes; cores: those with which it is quick enough
    for the story, whose tokens live for seconds and whose clients wait no longer.
    """

    cores: tuple[str, ...] = ("python", "native")

    def __init__(self, name: str, mcu: str, emulator: str, board: str, image: str, flash_blocks: int) -> None:
        self.name = name
        self.mcu = mcu
        self.emulator = emulator
        self.board = board
        self.flash_blocks = flash_blocks
        self._image = image

    def command(self, firmware: str, flash: str) -> list[str]:
        """The command line that runs a firmware, with the serial line on standard input and output."""
        raise NotImplementedError

    def firmware(self, variant: str) -> str:
        """Where the firmware of a variant is, from the root of the source tree."""
        return f".cache/firmware/{self.name}-{variant}/{self._image}"


class Qemu(Target):
    """A machine of QEMU, with MicroPython's QEMU port; it opens the flash itself, when it is told to mount it."""

    def __init__(self, name: str, mcu: str, emulator: str, *machine: str) -> None:
        super().__init__(name, mcu, emulator, "emulated_board", "firmware.elf", 64)
        self._machine = machine

    def command(self, firmware: str, flash: str) -> list[str]:  # noqa: ARG002 - the flash comes later
        """The command line that runs a firmware."""
        return [
            *(self.emulator, *self._machine, "-nographic", "-monitor", "none", "-semihosting"),
            *("-serial", "stdio", "-kernel", firmware),
        ]


class Rp2040(Target):
    """A Raspberry Pi Pico with the firmware of MicroPython's rp2 port; ours is a ROM file system in its flash."""

    cores = ("native",)  # ES256 in Python takes a second of the chip and 4 to 12 of the host

    def __init__(self) -> None:
        super().__init__("rp2040", "RP2040", "./.cache/rp2/emulate", "pico_board", "rom.img", 48)

    def command(self, firmware: str, flash: str) -> list[str]:
        """The command line that runs MicroPython's firmware with this ROM."""
        return [self.emulator, "firmware", firmware, flash]


# A nRF51 with more memory than any has; its flash is as in native/bind/boards/CORTEX_M0.
_FLASH, _RAM = "nrf51-soc.flash-size=1048576", "nrf51-soc.sram-size=262144"

_ALL = (
    Qemu(
        "qemu-cortex-m0", "Arm Cortex-M0", "qemu-system-arm", "-machine", "microbit", "-global", _FLASH, "-global", _RAM
    ),
    Qemu("qemu-cortex-m3", "Arm Cortex-M3", "qemu-system-arm", "-machine", "mps2-an385"),
    Qemu("qemu-cortex-m4", "Arm Cortex-M4F", "qemu-system-arm", "-machine", "mps2-an386"),
    Qemu("qemu-rv32", "RISC-V RV32IMAC", "qemu-system-riscv32", "-machine", "virt", "-bios", "none"),
    Rp2040(),
)
TARGETS = {target.name: target for target in _ALL}
