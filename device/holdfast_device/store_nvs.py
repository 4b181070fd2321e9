"""The two slots as two blobs of an ESP32's NVS: the Flash port of slots.py where there is no file system to trust.

    flash = NvsFlash(esp32.NVS("holdfast"))

NVS writes a new value beside the old one, levels wear over its pages and answers OSError(-code) of ESP-IDF.  Never
holds a key, and nothing secret: what is erased here stays readable until NVS uses its page again.
"""

from holdfast_device.slots import BEGUN, MAX_SLOT_LEN, StorageFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Nvs(Protocol):
        """esp32.NVS, as far as it is used here; every method may raise OSError."""

        def get_blob(self, __key: str, __buffer: bytearray) -> int:
            """Fill the buffer; return the length."""

        def set_blob(self, __key: str, __value: bytes) -> Any:
            """Write a value, not yet for good."""

        def commit(self) -> Any:
            """Make it last."""

        def erase_key(self, __key: str) -> Any:
            """Remove a value."""


KEYS = ("state.0", "state.1")
NOT_FOUND = -0x1102  # ESP_ERR_NVS_NOT_FOUND
TOO_SHORT = -0x110C  # ESP_ERR_NVS_INVALID_LENGTH: the buffer is smaller than the value
USUAL_LEN = 512  # a board has no 4 KB in one piece to spare for a record that nearly always is short


class NvsFlash:
    """Flash port over one namespace of NVS."""

    __slots__ = ("_nvs",)

    def __init__(self, nvs: "Nvs") -> None:
        self._nvs = nvs

    def read(self, slot: int) -> bytes:
        """Return the blob, b"" when there is none, and BEGUN of one that is there and empty.

        StorageFailed: NVS fails, or what it holds is none of ours.
        """
        for length in (USUAL_LEN, MAX_SLOT_LEN):
            buffer = bytearray(length)
            try:
                return bytes(buffer[: self._nvs.get_blob(KEYS[slot], buffer)]) or BEGUN
            except OSError as error:
                if error.args and error.args[0] == NOT_FOUND:
                    return b""
                if not error.args or error.args[0] != TOO_SHORT:
                    break
        raise StorageFailed("read")

    def write(self, slot: int, encoded: bytes) -> None:
        """Replace the blob; it is down when this returns."""
        try:
            self._nvs.set_blob(KEYS[slot], encoded)
            self._nvs.commit()
        except OSError:
            raise StorageFailed("write") from None

    def wipe(self) -> None:
        """Remove both blobs, for a factory reset."""
        for slot in (0, 1):
            if self.read(slot):
                try:
                    self._nvs.erase_key(KEYS[slot])
                    self._nvs.commit()
                except OSError:
                    raise StorageFailed("write") from None
