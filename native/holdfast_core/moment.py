"""What an RS knows at the moment at which it checks a token; hf_moment of the C core."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Moment:
    """What an RS knows.

    now_s: seconds since 1970 UTC, None when nothing is known about the time.  is_floor: now_s is only the earliest
    time it can be (a device without a clock): exp is held against it, unless a cnonce shows that the token is new, and
    the caller has to compare what they say; nbf and iat cannot be.
    exi_floor: the highest sequence number of an expired exi token, -1 or 0 at first; None when this RS keeps no such
    state and therefore takes no exi tokens.
    cnonce_check: says whether a client-nonce is one this RS handed out and still fresh; None when it hands out none.
    """

    __slots__ = ("cnonce_check", "exi_floor", "is_floor", "now_s")

    def __init__(
        self,
        now_s: "int | None",
        is_floor: bool = False,
        exi_floor: "int | None" = None,
        cnonce_check: "Callable[[bytes], bool] | None" = None,
    ) -> None:
        self.now_s = now_s
        self.is_floor = is_floor
        self.exi_floor = exi_floor
        self.cnonce_check = cnonce_check
