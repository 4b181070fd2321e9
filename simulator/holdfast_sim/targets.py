"""The emulated boards that a tube can run on: which emulator, which machine, which firmware.

Never runs anything. A target's firmware is what scripts/firmware.sh TARGET builds, in two variants: `python`, and
`native` with the C core in it.
"""


class Target:
    """emulator: the program; machine: its arguments that make the board; mcu: for people."""

    def __init__(self, name: str, mcu: str, emulator: str, *machine: str) -> None:
        self.name = name
        self.mcu = mcu
        self.emulator = emulator
        self._machine = machine

    def command(self, firmware: str) -> list[str]:
        """The command line that runs a firmware, with the serial line on standard input and output."""
        return [
            *(self.emulator, *self._machine, "-nographic", "-monitor", "none", "-semihosting"),
            *("-serial", "stdio", "-kernel", firmware),
        ]

    def firmware(self, variant: str) -> str:
        """Where the firmware of a variant is, from the root of the source tree."""
        return f".cache/firmware/{self.name}-{variant}/firmware.elf"


_ALL = (
    Target("qemu-cortex-m3", "Arm Cortex-M3", "qemu-system-arm", "-machine", "mps2-an385"),
    Target("qemu-cortex-m4", "Arm Cortex-M4F", "qemu-system-arm", "-machine", "mps2-an386"),
    Target("qemu-rv32", "RISC-V RV32IMAC", "qemu-system-riscv32", "-machine", "virt", "-bios", "none"),
)
TARGETS = {target.name: target for target in _ALL}
