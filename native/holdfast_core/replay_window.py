"""Which Partial IVs of a peer's requests were seen: the sliding window of RFC 8613 sections 3.2.2 and 7.4.

Never decrypts and never persists itself: after a restart it starts uninitialised, and only a request proven fresh by
Echo (appendix B.1.2) gives it a lower limit.  A caller that keeps it whole, and uses what it kept only once, may
resume it.
"""

from holdfast_core import errors
from holdfast_core.errors import LocalError

WINDOW_SIZE = 32  # the default of RFC 8613 section 3.2.2


class ReplayWindow:
    """The `size` numbers up to the highest one seen; what is below them counts as seen.

    initialised=True: nothing was ever received under these keys.  False: what was received is not known.
    """

    __slots__ = ("_highest", "_seen", "_size", "initialised")

    def __init__(self, size: int = WINDOW_SIZE, initialised: bool = True) -> None:
        if size < 1:
            raise LocalError("window-size")
        self.initialised = initialised
        self._size = size
        self._highest = -1
        self._seen = 0  # bit i: number _highest - i was seen

    def export(self) -> "tuple[int, int]":
        """Return what resume() takes: the highest number seen, -1 for none, and which ones below it were."""
        return self._highest, self._seen

    def resume(self, highest: int, seen: int) -> None:
        """Go on where export() was called last. The caller answers for it that no number was seen since."""
        self._highest = highest
        self._seen = seen & self._all()

    def check(self, number: int) -> None:
        """Raise ReplayDetected if number was seen or is below the window; LocalError if not initialised."""
        if not self.initialised:
            raise LocalError("window-uninitialised")
        behind = self._highest - number
        if behind >= 0 and (behind >= self._size or self._seen >> behind & 1):
            raise errors.ReplayDetected

    def record(self, number: int) -> None:
        """Mark number as seen, after its message proved authentic.  Raises as check does, then changes nothing."""
        self.check(number)
        ahead = number - self._highest
        if ahead <= 0:
            self._seen |= 1 << -ahead
            return
        # A far jump forgets everything; shifting by the distance itself would build a number of that many bits.
        self._seen = (self._seen << ahead | 1) & self._all() if ahead < self._size else 1
        self._highest = number

    def initialise(self, number: int) -> None:
        """Make number, which is proven fresh, seen and the lower limit (RFC 8613 appendix B.1.2)."""
        if self.initialised:
            raise LocalError("window-initialised")
        self._seen = self._all()  # first: it may want memory, and a window without it takes old numbers for new ones
        self._highest = number
        self.initialised = True

    def _all(self) -> int:
        return (1 << self._size) - 1
